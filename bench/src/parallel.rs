//! What can be done at the same time, since nothing of it is timed.

use std::sync::Mutex;
use std::sync::mpsc;
use std::thread;

use anyhow::Result;

/// Does the work for each item, as many at a time as there are processors; the answers stand in the
/// items' order.
///
/// # Errors
/// The first one's, in the same order.
pub fn each<T: Send, R: Send>(
    items: impl IntoIterator<Item = T, IntoIter: Send>,
    work: impl Fn(T) -> Result<R> + Sync,
) -> Result<Vec<R>> {
    let queue = Mutex::new(items.into_iter().enumerate());
    let (send, receive) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            let (send, queue, work) = (send.clone(), &queue, &work);
            scope.spawn(move || {
                let next = || queue.lock().ok()?.next();
                while let Some((at, item)) = next() {
                    // The receiver lives as long as the scope.
                    let _ = send.send((at, work(item)));
                }
            });
        }
    });
    drop(send);
    let mut answers: Vec<_> = receive.into_iter().collect();
    answers.sort_by_key(|(at, _)| *at);
    answers.into_iter().map(|(_, answer)| answer).collect()
}

#[cfg(test)]
mod tests {
    use super::each;
    use anyhow::bail;

    #[test]
    fn answers_stand_in_order_and_the_first_error_wins() {
        let squares = each(0..100u64, |number| Ok(number * number)).unwrap();
        assert!(
            (0..)
                .zip(squares)
                .all(|(number, square)| number * number == square)
        );
        let failed = each(0..100, |number| match number {
            7.. => bail!("{number}"),
            _ => Ok(()),
        });
        assert_eq!(failed.unwrap_err().to_string(), "7");
    }
}
