"""Batch size and learning rate on FashionMNIST (F §3, §4)."""
