//! What is still there to be brought home.

use protocol::id::Target;
use protocol::result::{ResultList, ResultQuery};

use super::{list_of, results};
use crate::cli::context::Context;
use crate::cli::exit::Failure;
use crate::client::{Client, ManagerAddress};

/// How much of these nobody has got yet.
pub async fn waiting(client: &Client, targets: &[Target], context: &Context) -> Result<ResultList, Failure> {
    let query = ResultQuery { targets: targets.to_vec(), waiting: true, limit: 1, ..ResultQuery::default() };
    list_of(client, query, context).await
}

/// For a person who waited: `17 left 3 results, 1.2 MiB: bramble result get 17`.
pub async fn say_left(address: &ManagerAddress, targets: &[Target], context: &Context) {
    if !context.hears_hints() {
        return;
    }
    // By a connection of its own: the manager may have come back since the first.
    let Ok(client) = Client::connect(address).await else { return };
    for target in targets {
        // Where the manager cannot tell, neither can we.
        if let Ok(list) = waiting(&client, &[*target], context).await
            && list.total > 0
        {
            context.hint(format_args!("{target} left {}: bramble result get {target}", results(list.total, list.size)));
        }
    }
}
