//! A frontend that misbehaves costs only what it would have shown. Time is paused throughout.

use std::{
    future::pending,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use orch_ux::{
    action::{Notice, UxAction},
    delivery::{Delivered, Delivery},
    error::Error,
    frontend::{Frontend, NullFrontend},
};
use orch_workflow::attempt::RunId;
use tokio::time::{Instant, sleep};

/// How the frontend takes one action.
#[derive(Debug, Clone, Copy)]
enum Mood {
    Prompt,
    Slow(Duration),
    Dead,
    Failing,
    Panicking,
    Busy,
}

#[derive(Debug, Default)]
struct Shown(Mutex<Vec<String>>);

impl Shown {
    fn list(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

#[derive(Debug)]
struct Moody {
    moods: Mutex<Vec<Mood>>,
    shown: Arc<Shown>,
}

/// A frontend with these moods, one an action, and good-natured after that.
fn moody(moods: &[Mood]) -> (Arc<dyn Frontend>, Arc<Shown>) {
    let shown = Arc::new(Shown::default());
    let moods = Mutex::new(moods.iter().rev().copied().collect());
    (Arc::new(Moody { moods, shown: Arc::clone(&shown) }), shown)
}

#[async_trait]
impl Frontend for Moody {
    async fn show(&self, action: &UxAction) -> Result<(), Error> {
        let mood = self.moods.lock().unwrap().pop().unwrap_or(Mood::Prompt);
        match mood {
            Mood::Prompt => {}
            Mood::Slow(time) => sleep(time).await,
            Mood::Dead => pending().await,
            Mood::Failing => return Err(Error::frontend("moody", "not today")),
            Mood::Busy => return Err(Error::busy("moody")),
            Mood::Panicking => panic!("the frontend lost its mind"),
        }
        match action {
            UxAction::PromptHint { text } => self.shown.0.lock().unwrap().push(text.clone()),
            UxAction::Notice(notice) => self.shown.0.lock().unwrap().push(notice.text.clone()),
            _ => {}
        }
        Ok(())
    }
}

fn action(text: impl ToString) -> UxAction {
    UxAction::PromptHint { text: text.to_string() }
}

fn notice(session: &str, text: &str) -> UxAction {
    UxAction::Notice(Notice::new(RunId::new("run_1").unwrap(), session, text))
}

fn sums(delivered: Delivered) -> (u64, u64, u64) {
    (delivered.shown, delivered.failed, delivered.dropped)
}

#[tokio::test(start_paused = true)]
async fn actions_are_shown_in_order() {
    let (frontend, shown) = moody(&[Mood::Slow(Duration::from_millis(1_900)), Mood::Prompt]);
    let delivery = Delivery::start(frontend);
    (0..5).for_each(|n| delivery.offer(action(n)));
    assert_eq!(sums(delivery.finish(Duration::from_secs(5)).await), (5, 0, 0));
    assert_eq!(shown.list(), ["0", "1", "2", "3", "4"]);
}

#[tokio::test(start_paused = true)]
async fn offering_never_waits_for_a_dead_frontend_and_the_queue_is_bounded() {
    let (frontend, shown) = moody(&[Mood::Dead; 1_000]);
    let delivery = Delivery::start(frontend);
    let start = Instant::now();
    (0..1_000).for_each(|n| delivery.offer(action(n)));
    assert_eq!(start.elapsed(), Duration::ZERO);
    let delivered = delivery.finish(Duration::from_secs(3_600)).await;
    assert_eq!(sums(delivered), (0, 64, 936));
    assert_eq!(start.elapsed(), Duration::from_secs(2 * 64), "two seconds for each that was queued");
    assert!(shown.list().is_empty());
}

#[tokio::test(start_paused = true)]
async fn finishing_takes_no_longer_than_allowed() {
    let (frontend, _shown) = moody(&[Mood::Dead; 10]);
    let delivery = Delivery::start(frontend);
    (0..10).for_each(|n| delivery.offer(action(n)));
    let start = Instant::now();
    assert_eq!(sums(delivery.finish(Duration::from_secs(5)).await), (0, 2, 8));
    assert_eq!(start.elapsed(), Duration::from_secs(5));
}

#[tokio::test(start_paused = true)]
async fn a_slow_failing_or_panicking_call_costs_only_itself() {
    let (frontend, shown) = moody(&[
        Mood::Prompt,
        Mood::Slow(Duration::from_millis(2_001)),
        Mood::Prompt,
        Mood::Failing,
        Mood::Prompt,
        Mood::Panicking,
        Mood::Prompt,
        Mood::Dead,
        Mood::Prompt,
    ]);
    let delivery = Delivery::start(frontend);
    (0..9).for_each(|n| delivery.offer(action(n)));
    assert_eq!(sums(delivery.finish(Duration::from_secs(60)).await), (5, 4, 0));
    assert_eq!(shown.list(), ["0", "2", "4", "6", "8"]);
}

#[tokio::test(start_paused = true)]
async fn dropping_the_delivery_stops_the_call_in_flight() {
    let (frontend, shown) = moody(&[Mood::Slow(Duration::from_secs(1))]);
    let delivery = Delivery::start(Arc::clone(&frontend));
    delivery.offer(action("late"));
    tokio::task::yield_now().await;
    drop(delivery);
    sleep(Duration::from_secs(10)).await;
    assert!(shown.list().is_empty());
    assert_eq!(Arc::strong_count(&frontend), 1, "no task holds the frontend any more");
}

#[tokio::test(start_paused = true)]
async fn what_would_disturb_is_held_back_and_shown_later_in_order() {
    let (frontend, shown) = moody(&[Mood::Busy, Mood::Prompt, Mood::Prompt, Mood::Busy]);
    let delivery = Delivery::start(frontend);
    delivery.offer(notice("ses_a", "a1"));
    delivery.offer(notice("ses_a", "a2"));
    delivery.offer(notice("ses_b", "b1"));
    delivery.offer(action("toast"));
    sleep(Duration::from_millis(2_999)).await;
    assert_eq!(shown.list(), ["b1", "toast"], "others are not held up");
    sleep(Duration::from_secs(1)).await;
    assert_eq!(shown.list(), ["b1", "toast"], "still busy, and not overtaken by its successor");
    sleep(Duration::from_secs(3)).await;
    assert_eq!(shown.list(), ["b1", "toast", "a1", "a2"]);
    assert_eq!(sums(delivery.finish(Duration::from_secs(1)).await), (4, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn what_is_held_back_is_tried_again_however_much_else_there_is_to_show() {
    let (frontend, shown) = moody(&[Mood::Busy]);
    let delivery = Delivery::start(frontend);
    delivery.offer(notice("ses_a", "held"));
    for n in 0..4 {
        delivery.offer(action(n));
        sleep(Duration::from_secs(1)).await;
    }
    assert!(shown.list().contains(&"held".to_owned()), "{:?}", shown.list());
}

#[tokio::test(start_paused = true)]
async fn what_is_held_back_is_tried_once_more_at_the_end() {
    for (moods, expected) in [(&[Mood::Busy][..], (2, 0, 0)), (&[Mood::Busy; 9][..], (0, 0, 2))] {
        let (frontend, _shown) = moody(moods);
        let delivery = Delivery::start(frontend);
        delivery.offer(notice("ses_a", "a1"));
        delivery.offer(notice("ses_a", "a2"));
        let start = Instant::now();
        assert_eq!(sums(delivery.finish(Duration::from_secs(5)).await), expected);
        assert_eq!(start.elapsed(), Duration::ZERO, "the end is not held up");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_held_back_is_bounded() {
    let (frontend, shown) = moody(&[Mood::Busy]);
    let delivery = Delivery::start(frontend);
    (0..20).for_each(|n| delivery.offer(notice("ses_a", &n.to_string())));
    assert_eq!(sums(delivery.finish(Duration::from_secs(5)).await), (16, 0, 4));
    assert_eq!(shown.list(), (4..20).map(|n| n.to_string()).collect::<Vec<_>>(), "the oldest give way");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_shown_to_nobody() {
    let delivery = Delivery::start(Arc::new(NullFrontend));
    delivery.offer(action("unseen"));
    assert_eq!(sums(delivery.finish(Duration::from_secs(1)).await), (1, 0, 0));
}
