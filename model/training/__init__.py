"""From purchases to a version that the gate has judged."""
