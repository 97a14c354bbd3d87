"""Runs a function in forks of this process: on several cores at once, or with several threads."""

import multiprocessing
import os
import pickle
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import TypeVar

import torch
from threadpoolctl import threadpool_limits

CORES = len(os.sched_getaffinity(0))

T = TypeVar("T")


def run_in_forks(work: Callable[[], T], *, copies: int, threads: int) -> list[T]:
    """Run `work` in so many processes at once, each with so many threads, and return what they returned.

    This process has to have one thread: others would not be there in the forks.

    Raises
    ------
    RuntimeError
        A process ended without a result; it has printed why.
    """
    context = multiprocessing.get_context("fork")
    running = []
    for _ in range(copies):
        receiver, sender = context.Pipe(duplex=False)
        process = context.Process(target=_run, args=(work, threads, sender), daemon=True)
        process.start()
        sender.close()
        running.append((process, receiver))
    results = []
    for process, receiver in running:
        try:
            results.append(pickle.loads(receiver.recv_bytes()))
        except EOFError:
            raise RuntimeError(f"process {process.pid} ended without a result") from None
        finally:
            process.join()
    return results


def _run(work: Callable[[], T], threads: int, sender: Connection) -> None:
    torch.set_num_threads(threads)
    with threadpool_limits(threads):
        sender.send_bytes(pickle.dumps(work()))  # by value: tensors would be shared, with a process that ends
