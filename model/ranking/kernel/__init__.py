"""Ranking in compiled code: a micro-batch from packed histories to rows, scores, reasons and exact shares."""
