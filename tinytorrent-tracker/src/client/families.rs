use std::future::Future;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

/// Awaits the future if there is one.
pub(super) async fn maybe<T>(future: Option<impl Future<Output = T>>) -> Option<T> {
    match future {
        Some(future) => Some(future.await),
        None => None,
    }
}

/// Runs two requests, one over each family, at the same time. The first value is the outcome; the
/// second is the response over the other family if both succeed.
pub(super) async fn both<T, E>(
    first: Option<impl Future<Output = Result<T, E>>>,
    second: Option<impl Future<Output = Result<T, E>>>,
) -> (Option<Result<T, E>>, Option<T>) {
    let (first, second) = match (first, second) {
        (Some(first), Some(second)) => (first, second),
        (first, second) => return (maybe(first).await.or(maybe(second).await), None),
    };
    let begun = Instant::now();
    let (mut first, mut second) = (std::pin::pin!(first), std::pin::pin!(second));
    let (early, late) = tokio::select! {
        outcome = &mut first => match outcome {
            Ok(_) => (outcome, timeout_at(grace(begun), second).await.ok()),
            Err(_) => (outcome, Some(second.await)),
        },
        outcome = &mut second => match outcome {
            Ok(_) => (outcome, timeout_at(grace(begun), first).await.ok()),
            Err(_) => (outcome, Some(first.await)),
        },
    };
    match (early, late) {
        // A failure of one family is no error: many hosts have IPv6 addresses and no route.
        (Ok(early), late) => (Some(Ok(early)), late.and_then(Result::ok)),
        (Err(_), Some(Ok(late))) => (Some(Ok(late)), None),
        (Err(error), _) => (Some(Err(error)), None),
    }
}

/// Runs the requests one after the other, the second only if the first is missing or fails.
pub(super) async fn first_success<T, E>(
    first: Option<impl Future<Output = Result<T, E>>>,
    second: Option<impl Future<Output = Result<T, E>>>,
) -> Option<Result<T, E>> {
    match maybe(first).await {
        Some(Ok(response)) => Some(Ok(response)),
        failed => maybe(second).await.or(failed),
    }
}

/// The deadline of the slower family once the other has succeeded.
fn grace(begun: Instant) -> Instant {
    // In proportion to the faster family: a broken family must not delay the peers of the other.
    Instant::now() + (begun.elapsed() * GRACE_FACTOR).clamp(MIN_GRACE, MAX_GRACE)
}

/// Guesses: a slower path may need a few times as long, and a user hardly notices five seconds.
const GRACE_FACTOR: u32 = 4;
const MIN_GRACE: Duration = Duration::from_millis(500);
const MAX_GRACE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use std::future::{Ready, pending, ready};

    use super::*;

    type Outcome = Result<u8, &'static str>;

    /// U-38, BEP 7
    #[tokio::test]
    async fn one_family_that_succeeds_is_a_success() {
        let outcome = both(Some(ready(Err("v4"))), Some(ready(Ok(6)))).await;
        assert_eq!(outcome, (Some(Ok(6)), None));
        let outcome = both(Some(ready(Ok(4))), Some(ready(Err("v6")))).await;
        assert_eq!(outcome, (Some(Ok(4)), None));
        let outcome: (_, Option<u8>) = both(Some(ready(Err("v4"))), Some(ready(Err("v6")))).await;
        assert!(matches!(outcome, (Some(Err(_)), None)));
        let (first, second) = both(Some(ready(Outcome::Ok(4))), Some(ready(Ok(6)))).await;
        let mut numbers = [first.unwrap().unwrap(), second.unwrap()];
        numbers.sort_unstable();
        assert_eq!(numbers, [4, 6]);
        let alone = both(None::<Ready<Outcome>>, Some(ready(Ok(6)))).await;
        assert_eq!(alone, (Some(Ok(6)), None));
    }

    #[tokio::test]
    async fn the_second_family_is_asked_only_if_the_first_fails() {
        let outcome = first_success(Some(ready(Outcome::Ok(4))), Some(pending())).await;
        assert_eq!(outcome, Some(Ok(4)));
        let outcome = first_success(Some(ready(Err("v4"))), Some(ready(Ok(6)))).await;
        assert_eq!(outcome, Some(Ok(6)));
        let outcome = first_success(Some(ready(Outcome::Err("v4"))), Some(ready(Err("v6")))).await;
        assert_eq!(outcome, Some(Err("v6")));
        let alone = first_success(Some(ready(Outcome::Err("v4"))), None::<Ready<_>>).await;
        assert_eq!(alone, Some(Err("v4")));
        let none = first_success(None::<Ready<Outcome>>, None::<Ready<Outcome>>).await;
        assert_eq!(none, None);
    }

    /// U-38: a family that hangs costs little
    #[tokio::test]
    async fn a_family_that_hangs_does_not_hold_back_the_other() {
        let outcome = both(Some(pending::<Outcome>()), Some(ready(Ok(6)))).await;
        assert_eq!(outcome, (Some(Ok(6)), None));
    }
}
