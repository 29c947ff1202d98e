//! A client against a manager that does what each test says.

use protocol::api::{LogChunk, More, Request};
use protocol::job::{JobSpec, Stream};
use tokio::net::UnixListener;

use super::*;

type Reader = FrameReader<tokio::net::unix::OwnedReadHalf>;
type Writer = FrameWriter<tokio::net::unix::OwnedWriteHalf>;

struct Fake {
    listener: UnixListener,
    address: ManagerAddress,
    _folder: tempfile::TempDir,
}

impl Fake {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.sock");
        let listener = UnixListener::bind(&path).unwrap();
        Self { listener, address: ManagerAddress::Unix(path), _folder: folder }
    }

    async fn accept(&self) -> (Reader, Writer) {
        let (read, write) = self.listener.accept().await.unwrap().0.into_split();
        (FrameReader::new(read), FrameWriter::new(write))
    }
}

async fn asked(reader: &mut Reader) -> Call {
    reader.next::<Call>().await.unwrap().expect("a call")
}

async fn say(writer: &mut Writer, answer: &impl serde::Serialize) {
    writer.feed(answer).unwrap();
    writer.flush().await.unwrap();
}

fn submitted(id: u64, job: u32) -> Answer {
    Answer { id, body: Body::Reply(Reply::Submitted { job: protocol::id::JobId(job), tasks: 1 }) }
}

fn job(reply: Result<Reply, ClientError>) -> u32 {
    match reply {
        Ok(Reply::Submitted { job, .. }) => job.0,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn calls_under_way_together_get_their_own_answers_in_any_order() {
    let fake = Fake::new();
    let client = Client::connect(&fake.address).await.unwrap();
    let manager = async {
        let (mut reader, mut writer) = fake.accept().await;
        let (first, second) = (asked(&mut reader).await, asked(&mut reader).await);
        say(&mut writer, &submitted(second.id, 2)).await;
        say(&mut writer, &submitted(first.id, 1)).await;
    };
    let submit = || Request::Submit(JobSpec::of(["true"]));
    let (one, two, ()) = tokio::join!(client.call(submit()), client.call(submit()), manager);
    assert_eq!((job(one), job(two)), (1, 2));
}

#[tokio::test]
async fn thousands_of_pipelined_calls_pass_one_connection_without_a_deadlock() {
    const CALLS: u32 = 5_000;
    let fake = Fake::new();
    let client = Client::connect(&fake.address).await.unwrap();
    let manager = async {
        // Answers are only written after everything was read, so neither side may wait for the other's buffer.
        let (mut reader, mut writer) = fake.accept().await;
        for _ in 0..CALLS {
            let call = asked(&mut reader).await;
            writer.feed(&submitted(call.id, call.id as u32)).unwrap();
        }
        writer.flush().await.unwrap();
    };
    let calls = (0..CALLS).map(|_| client.call(Request::Submit(JobSpec::of(["true"]))));
    let (answers, ()) = tokio::join!(futures_util::future::join_all(calls), manager);
    let jobs: std::collections::BTreeSet<u32> = answers.into_iter().map(job).collect();
    assert!(jobs.into_iter().eq(1..=CALLS));
}

#[tokio::test]
async fn a_dropped_call_does_not_disturb_the_next() {
    let fake = Fake::new();
    let client = Client::connect(&fake.address).await.unwrap();
    let (mut reader, mut writer) = fake.accept().await;
    let dropped = tokio::select! {
        _ = client.call(Request::Nodes) => panic!("nobody answered"),
        call = asked(&mut reader) => call,
    };
    let manager = async {
        let call = asked(&mut reader).await;
        say(&mut writer, &submitted(dropped.id, 1)).await;
        say(&mut writer, &submitted(call.id, 2)).await;
    };
    let (answer, ()) = tokio::join!(client.call(Request::Nodes), manager);
    assert_eq!(job(answer), 2);
}

#[tokio::test]
async fn a_manager_that_dies_fails_every_call_with_the_same_sentence() {
    let fake = Fake::new();
    let client = Client::connect(&fake.address).await.unwrap();
    let manager = async {
        let (mut reader, _writer) = fake.accept().await;
        asked(&mut reader).await;
        asked(&mut reader).await;
    };
    let (one, two, ()) = tokio::join!(client.call(Request::Nodes), client.call(Request::Nodes), manager);
    let lost = ClientError::Lost { address: fake.address.clone() };
    assert_eq!((one, two), (Err(lost.clone()), Err(lost.clone())));
    assert_eq!(client.call(Request::Nodes).await, Err(lost));
}

#[tokio::test]
async fn an_unknown_answer_spoils_only_the_call_it_belongs_to() {
    let fake = Fake::new();
    let client = Client::connect(&fake.address).await.unwrap();
    let manager = async {
        let (mut reader, mut writer) = fake.accept().await;
        let (first, second) = (asked(&mut reader).await, asked(&mut reader).await);
        say(&mut writer, &serde_json::json!({"id": first.id, "reply": {"dance": {}}})).await;
        say(&mut writer, &submitted(second.id, 2)).await;
    };
    let (one, two, ()) = tokio::join!(client.call(Request::Nodes), client.call(Request::Nodes), manager);
    assert!(matches!(one, Err(ClientError::Nonsense { .. })), "{one:?}");
    assert_eq!(job(two), 2);
}

#[tokio::test]
async fn the_reason_a_manager_gives_before_hanging_up_is_told() {
    let fake = Fake::new();
    let client = Client::connect(&fake.address).await.unwrap();
    let refusal = Refusal::refused("nobody knows you here");
    let manager = async {
        let (_reader, mut writer) = fake.accept().await;
        say(&mut writer, &Answer { id: 0, body: Body::Error(refusal.clone()) }).await;
    };
    let (answer, ()) = tokio::join!(client.call(Request::Nodes), manager);
    assert_eq!(answer, Err(refusal.into()));
}

#[tokio::test]
async fn a_flow_gives_every_piece_then_none_and_hangs_up_when_dropped() {
    let fake = Fake::new();
    let piece = More::Log(LogChunk { stream: Stream::Stdout, offset: 0, bytes: b"hello\n".to_vec().into() });
    let manager = async {
        let (mut reader, mut writer) = fake.accept().await;
        let id = asked(&mut reader).await.id;
        say(&mut writer, &Answer { id, body: Body::More(piece.clone()) }).await;
        say(&mut writer, &Answer { id, body: Body::Reply(Reply::End) }).await;
        assert!(reader.next::<Call>().await.unwrap().is_none(), "the client hangs up");
    };
    let reader = async {
        let mut flow = Flow::open(&fake.address, Request::Watch).await.unwrap();
        assert_eq!(flow.next().await, Ok(Some(piece.clone())));
        assert_eq!(flow.next().await, Ok(None));
        assert_eq!(flow.next().await, Ok(None));
    };
    tokio::join!(manager, reader);
}

#[tokio::test]
async fn a_flow_cut_short_is_an_error_and_not_an_end() {
    let fake = Fake::new();
    let manager = async {
        let (mut reader, _writer) = fake.accept().await;
        asked(&mut reader).await;
    };
    let (flow, ()) = tokio::join!(Flow::open(&fake.address, Request::Watch), manager);
    assert!(matches!(flow.unwrap().next().await, Err(ClientError::Lost { .. })));
}

#[tokio::test]
async fn where_no_manager_listens_the_sentence_says_how_to_get_one() {
    let folder = tempfile::tempdir().unwrap();
    let nowhere = ManagerAddress::Unix(folder.path().join("m.sock"));
    let missing = Client::connect(&nowhere).await.unwrap_err().to_string();
    drop(UnixListener::bind(folder.path().join("m.sock")).unwrap());
    let stale = Client::connect(&nowhere).await.unwrap_err().to_string();
    assert_eq!(missing, stale);
    assert!(missing.contains("bramble manager") && missing.contains("--manager"), "{missing}");
}

#[tokio::test]
async fn a_request_too_long_for_a_frame_is_refused_here_and_the_connection_lives_on() {
    let fake = Fake::new();
    let client = Client::connect(&fake.address).await.unwrap();
    let long = Request::Submit(JobSpec::of(["x".repeat(5 << 20)]));
    assert!(matches!(client.call(long).await, Err(ClientError::TooLong(_))));
    let manager = async {
        let (mut reader, mut writer) = fake.accept().await;
        let id = asked(&mut reader).await.id;
        say(&mut writer, &submitted(id, 1)).await;
    };
    let (answer, ()) = tokio::join!(client.call(Request::Nodes), manager);
    assert_eq!(job(answer), 1);
}
