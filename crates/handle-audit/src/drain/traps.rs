//! Two passes that look right and are wrong. The models must find out; docs/ordering.md tells the stories.

use super::{Drain, Pass};
use crate::merge::Taken;
use crate::record::Slot;

impl Drain {
    /// One look: whatever was taken is folded at once. What happened before it may have been published after its
    /// ring was looked at.
    pub(crate) fn pass_with_one_look(&mut self) -> Pass {
        let fill = self.take_all();
        self.limits.reset();
        self.merge.hold_back(&mut self.aside, &self.limits);
        self.merge.release(&mut self.aside, &mut self.order);
        let order = std::mem::take(&mut self.order);
        self.fold_in_order(order, fill)
    }

    /// Two looks, but a record that is held back stays at the head of its ring, and with it all that is behind it.
    pub(crate) fn pass_that_leaves_records_in_their_rings(&mut self) -> Pass {
        for source in &mut self.sources {
            source.intake.look();
        }
        let first_look: Vec<u64> = self.sources.iter().map(|source| source.intake.seen()).collect();
        self.look_again();
        for ((ring, source), end) in (0..).zip(&mut self.sources).zip(first_look) {
            let mut position = source.intake.taken();
            while position != end {
                let Ok(record) = source.intake.get(position) else { break };
                let Slot::Head(_) = record.slot() else { break };
                let taken = Taken::new(record, ring, position);
                if !self.limits.allow(&taken) {
                    break;
                }
                self.order.push(taken);
                position = position.wrapping_add(1);
            }
            source.intake.take(position);
        }
        self.order.sort_by_key(Taken::key);
        let order = std::mem::take(&mut self.order);
        self.fold_in_order(order, 0)
    }

    fn fold_in_order(&mut self, order: Vec<Taken>, fill: u64) -> Pass {
        self.seam.folding(&order, &self.stacks);
        self.fold.fold_trails(&order, &self.stacks);
        Pass { folded: order.len(), fill }
    }
}
