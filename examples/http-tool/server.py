"""Tools of a fleet in Python, over HTTP: nothing but the standard library.

Each tool is a function behind POST /<name>: its arguments are the JSON body, its result is the JSON answer. What a model
should know about a refusal is {"error": "..."} with status 422. A repeated call has the Idempotency-Key of the first
one: booking twice under one key gives the first booking.

    TOOLS_KEY=secret python3 server.py 8100
"""

import hmac, json, os, sys, threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KEY = os.environ.get("TOOLS_KEY", "")
EUROS_PER_KILO = {"Norway": 4.2, "Portugal": 3.1}


class Refused(Exception):
    """The caller asked for something that can't be had: the message is for the model."""


def shipping_cost(arguments, key):
    price = EUROS_PER_KILO.get(arguments["country"])
    if price is None:
        raise Refused(f"no price for {arguments['country']}; there are: {', '.join(EUROS_PER_KILO)}")
    return round(price * arguments["kilos"], 2)


# In a real service this is a table with a unique key, written in the transaction that books.
bookings = {}
booking = threading.Lock()


def book_parcel(arguments, key):
    with booking:
        if key not in bookings:
            bookings[key] = {"parcel": f"P-{len(bookings) + 1}", "euros": shipping_cost(arguments, key)}
        return bookings[key]


TOOLS = {"/shipping_cost": shipping_cost, "/book_parcel": book_parcel}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        if not hmac.compare_digest(self.headers.get("authorization", ""), f"Bearer {KEY}"):
            return self.answer(401, {"error": "the tools' key is missing or wrong"})
        tool = TOOLS.get(self.path)
        if tool is None:
            return self.answer(404, {"error": f"there is no tool {self.path}"})
        try:
            self.answer(200, tool(json.loads(body), self.headers.get("idempotency-key")))
        except Refused as refused:
            self.answer(422, {"error": str(refused)})

    def answer(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    if not KEY:
        sys.exit("set TOOLS_KEY: the fleet sends it with each call")
    server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1]) if len(sys.argv) > 1 else 8100), Handler)
    print(f"tools on http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()
