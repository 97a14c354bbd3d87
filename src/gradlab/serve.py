"""Serves a report, and the folder it lies in, to browsers on this machine alone."""

import argparse
import os
import signal
import sys
import threading
import webbrowser
from collections.abc import Sequence
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote

HOST = "127.0.0.1"


class _Handler(SimpleHTTPRequestHandler):
    def end_headers(self) -> None:
        # Else a browser may go on showing a report that has been rendered anew as it was.
        self.send_header("Cache-Control", "no-cache")
        super().end_headers()

    def log_message(self, *arguments: object) -> None:
        """Say nothing of requests that went well, and of missing files only to the browser."""


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        if not isinstance(sys.exception(), ConnectionError):  # a browser that goes away before it has read everything
            super().handle_error(request, client_address)


def serve_report(report: Path, *, port: int = 0, browser: bool = True) -> None:
    """Serve the folder of a report until SIGINT or SIGTERM.

    Parameters
    ----------
    report
        The report; nothing above its folder is served.
    port
        The port, on 127.0.0.1; 0 for any that is free.
    browser
        Whether to open the report in the user's browser.

    Raises
    ------
    OSError
        The port cannot be opened.
    """
    for ending in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ending, signal.default_int_handler)  # raises KeyboardInterrupt, also where a shell had it ignored
    try:
        with _Server((HOST, port), partial(_Handler, directory=str(report.parent))) as server:
            address = f"http://{HOST}:{server.server_port}/{quote(report.name)}"
            print(f"serving {address} (Ctrl-C ends it)", flush=True)
            if browser:
                # In a thread, because a browser in the terminal keeps the call until it is closed.
                threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
            server.serve_forever()
    except KeyboardInterrupt:
        return


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port; a port is a number from 0 to 65535")
    return int(text)


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve a report; print what is wrong in a line and return 1 where it cannot be served."""
    parser = argparse.ArgumentParser(
        prog="python -m gradlab.serve", description="Show a report in the browser, served to this machine alone."
    )
    parser.add_argument("report", type=Path, help="the report; the folder it lies in is served")
    parser.add_argument("--port", type=_port, default=0, metavar="N", help="the port; any free one where none is named")
    parser.add_argument("--no-browser", action="store_true", help="only print the address")
    options = parser.parse_args(arguments)
    if not os.path.isfile(options.report):  # unlike the path, it does not raise where it may not look
        print(f"gradlab: there is no report {options.report}; run `make report` first", file=sys.stderr)
        return 1
    try:
        serve_report(options.report, port=options.port, browser=not options.no_browser)
    except OSError as error:
        remedy = "name another one with --port, or leave --port out for any that is free"
        print(f"gradlab: port {options.port} cannot be opened ({error.strerror}); {remedy}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
