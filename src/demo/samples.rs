//! A few jobs to look at, submitted by the first demo in a state folder.

use anyhow::bail;
use protocol::api::{JobQuery, Reply, Request};
use protocol::job::{Array, JobSpec};

use crate::client::Client;

pub async fn submit(client: &Client) -> anyhow::Result<()> {
    let Reply::Jobs { total, .. } = client.call(Request::Jobs(JobQuery { limit: 1, ..Default::default() })).await?
    else {
        bail!("the manager answered something else than jobs");
    };
    if total > 0 {
        return Ok(());
    }
    for spec in samples() {
        client.call(Request::Submit(spec)).await?;
    }
    Ok(())
}

fn samples() -> Vec<JobSpec> {
    let shell = |name: &str, script: &str, last: Option<u32>| {
        let mut spec = JobSpec::of(["sh", "-c", script]);
        spec.name = name.parse().ok();
        spec.array = last.map(|last| Array { first: 0, last });
        spec
    };
    vec![
        shell("hello", "echo \"hello from job $BRAMBLE_JOB\"", None),
        shell("count primes", PRIMES, Some(11)),
        shell("water the plants", "for bed in 1 2 3 4 5 6 7 8; do echo \"bed $bed\"; sleep 2; done", Some(2)),
        shell("a script with a mistake", "echo looking for the data; ls /no/such/data", None),
    ]
}

/// Trial division over a share of the numbers that depends on the index, so that tasks take different times.
const PRIMES: &str = r#"
low=$((BRAMBLE_INDEX * 30000 + 2)); high=$((low + 30000)); found=0; n=$low
while [ $n -lt $high ]; do
  d=2; prime=1
  while [ $((d * d)) -le $n ]; do
    if [ $((n % d)) -eq 0 ]; then prime=0; break; fi
    d=$((d + 1))
  done
  found=$((found + prime)); n=$((n + 1))
done
echo "$found primes from $low to $high"
"#;
