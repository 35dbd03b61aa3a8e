"""How long the service waits and how often it looks again: one value, handed in from outside.

In: nothing. Out: `Pace`, whose defaults are right for a shop. Promise: frozen, may be pickled, knows nothing of Kafka.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pace:
    """Every wait and period of the service, in seconds, none below 0."""

    # the loop
    chores_s: float = 1.0  # between two commits, and two measurements of the lag
    topic_check_s: float = 15.0  # between two looks whether the topic is still the same one
    flush_s: float = 4.0  # for replies on their way, when partitions are given away and at the end
    leave_s: float = 4.5  # for leaving the group; longer than flush_s, which is part of it

    # what the loop says again
    say_losses_again_s: float = 60.0  # while purchases are missing from the topic

    # the models that answer
    binding_s: float = 0.002  # of a turn, for a model on its way in
    neighbours_s: float = 0.004  # of a turn, for looking at customers who bought: answers wait no longer
    open_again_s: float = 10.0  # until a model that was refused is tried again

    # dead letters
    delivery_s: float = 60.0  # for a dead letter to be delivered

    # the trainer
    check_s: float = 1.0  # between two looks whether learning is due
    first_wait_s: float = 30.0  # without a model nobody wants to wait for train_max_wait_s
    settle_s: float = 30.0  # a bulk import holds up learning for no longer than this
    retry_s: float = 60.0  # after an attempt that failed for no lack of purchases
    restart_s: float = 5.0  # until a trainer that died is started again
    fallen_back_s: float = 5.0  # for the version before a damaged one to answer first, which takes less than learning
    mend_again_s: float = 60.0  # between two attempts to learn what is damaged anew

    # the start
    broker_wait_s: float = 60.0  # for a first answer of Kafka
    say_waiting_s: float = 30.0  # between two lines that say it
    broker_try_s: float = 2.0  # for each attempt; also how long a stop may have to wait


SHOPS_PACE = Pace()
"""The pace of a shop."""
