"""The load tester's two user classes for real locust (2.12 or later), with the same task mix.

    locust -f locustfile.py AuthenticationLoadTest --host http://127.0.0.1:8000 \
        --users 1000 --spawn-rate 50 --run-time 3m --headless --csv=baseline

Spread over machines: the same with --master --expect-workers N on one, and
`locust -f locustfile.py AuthenticationLoadTest --worker --master-host ...` on the others. The master
alone reads --users-file and gives each worker accounts of its own, because a refresh token serves once.
Without a file every user registers and logs in when it starts.
"""

import base64
import json
import random
import time
import uuid
from itertools import islice

from locust import FastHttpUser, events, runners, task

# Debian's package doesn't know its version, and a master turns away workers that can't tell theirs.
runners.__version__ = runners.__version__ or "unknown"

# Seconds between two tasks of a user.
SHORTEST_WAIT = 1.0
LONGEST_WAIT = 9.4
# Renewing a token this long before its end leaves room for a slow answer, in seconds.
RENEW_BEFORE = 30
ACCOUNTS_MESSAGE = "plimsoll_accounts"
# Accounts in one message from the master: bounds the size of a message to about a megabyte.
ACCOUNTS_PER_MESSAGE = 1000

# This process's accounts that no user has yet.
free_accounts = []


@events.init_command_line_parser.add_listener
def add_arguments(parser):
    parser.add_argument(
        "--users-file",
        env_var="LOCUST_USERS_FILE",
        default="",
        help="Accounts, a JSON object a line: username, password, access_token, refresh_token",
    )
    parser.add_argument(
        "--wait-scale",
        type=float,
        env_var="LOCUST_WAIT_SCALE",
        default=1.0,
        help="Multiplies all waits",
    )


@events.init.add_listener
def listen_for_accounts(environment, **_kwargs):
    if isinstance(environment.runner, runners.WorkerRunner):
        environment.runner.register_message(ACCOUNTS_MESSAGE, keep_accounts)


def keep_accounts(environment, msg, **_kwargs):
    free_accounts.extend(msg.data)


@events.test_start.add_listener
def hand_out_accounts(environment, **_kwargs):
    """Runs before any user starts; a worker gets its share from the master's messages instead."""
    runner = environment.runner
    file = environment.parsed_options.users_file
    if isinstance(runner, runners.WorkerRunner) or not file:
        return
    with open(file, encoding="utf-8") as lines:
        accounts = [json.loads(line) for line in lines if line.strip()]
    if not isinstance(runner, runners.MasterRunner):
        free_accounts[:] = accounts
        return
    workers = list(runner.clients)
    for index, worker in enumerate(workers):
        share = iter(accounts[index :: len(workers)])
        while batch := list(islice(share, ACCOUNTS_PER_MESSAGE)):
            runner.send_message(ACCOUNTS_MESSAGE, batch, client_id=worker)


class SessionUser(FastHttpUser):
    """A user of the authentication service: its session, and what begins, renews and ends it.

    A session that turns out to be invalid is begun anew, as an application would do it, so that
    one failure doesn't become a failure with each request.
    """

    abstract = True
    # Certificates are checked; FastHttpUser doesn't by default.
    insecure = False

    def wait_time(self):
        scale = self.environment.parsed_options.wait_scale
        return random.uniform(SHORTEST_WAIT, LONGEST_WAIT) * scale

    def on_start(self):
        account = free_accounts.pop(0) if free_accounts else None
        if account is None:
            account = {"username": f"locust-{uuid.uuid4().hex}", "password": uuid.uuid4().hex}
            self.register(account["username"], account["password"])
        self.username = account["username"]
        self.password = account["password"]
        self.access_token = account.get("access_token")
        self.refresh_token = account.get("refresh_token")
        self.expires_at = expiry_of(self.access_token)
        if self.access_token is None:
            self.log_in()

    def expect(self, status, method, path, **options):
        """Sends a request that is a failure unless it is answered with this status."""
        with self.client.request(method, path, catch_response=True, **options) as response:
            if response.status_code == status:
                response.success()
            elif response.status_code != 0:
                # 0: there was no response, and locust knows why.
                response.failure(f"expected {status}, got {response.status_code}")
        return response

    def register(self, username, password):
        credentials = {"username": username, "password": password}
        self.expect(201, "POST", "/auth/register", json=credentials)

    def log_in(self):
        credentials = {"username": self.username, "password": self.password}
        self.keep_tokens(self.expect(200, "POST", "/auth/login", json=credentials))

    def log_out(self):
        self.expect(204, "POST", "/auth/logout", headers=self.bearer())
        self.access_token = self.refresh_token = None

    def refresh(self):
        body = {"refresh_token": self.refresh_token}
        response = self.expect(200, "POST", "/auth/refresh", json=body)
        if response.status_code in (400, 401):
            self.log_in()
        elif response.status_code == 200:
            self.keep_tokens(response)

    def ensure_token(self):
        if self.access_token is None:
            self.log_in()
        elif self.expires_at is not None and time.time() > self.expires_at - RENEW_BEFORE:
            self.refresh() if self.refresh_token else self.log_in()

    def with_token(self, method, path, **options):
        """A request with the user's token; a 401 drops the token, so that the next task logs in."""
        self.ensure_token()
        response = self.expect(200, method, path, headers=self.bearer(), **options)
        if response.status_code == 401:
            self.access_token = None

    def bearer(self):
        return {"Authorization": f"Bearer {self.access_token or 'none'}"}

    def keep_tokens(self, response):
        pair = response.json() if response.status_code == 200 else {}
        self.access_token = pair.get("access_token")
        self.refresh_token = pair.get("refresh_token")
        seconds = pair.get("expires_in")
        self.expires_at = None if seconds is None else time.time() + seconds

    def verify(self):
        self.with_token("GET", "/auth/verify")

    def renew(self):
        self.ensure_token()
        self.refresh()

    def list_sessions(self):
        self.with_token("GET", "/auth/sessions")

    def introspect(self):
        self.ensure_token()
        self.with_token("POST", "/auth/introspect", data={"token": self.access_token or "none"})

    def fetch_keys(self):
        self.expect(200, "GET", "/.well-known/jwks.json")

    def log_out_and_in(self):
        self.ensure_token()
        self.log_out()
        self.log_in()


class AuthenticationLoadTest(SessionUser):
    """The day of a logged-in user: nearly all requests ask whether a token is valid."""

    tasks = {
        SessionUser.verify: 404,
        SessionUser.renew: 40,
        SessionUser.list_sessions: 25,
        SessionUser.introspect: 25,
        SessionUser.fetch_keys: 5,
        SessionUser.log_out_and_in: 1,
    }


class MixedWorkloadTest(SessionUser):
    """Heavier on what changes state, and each login and registration hashes a password."""

    tasks = {
        SessionUser.verify: 580,
        SessionUser.renew: 200,
        SessionUser.list_sessions: 120,
        SessionUser.introspect: 80,
        SessionUser.fetch_keys: 15,
        SessionUser.log_out_and_in: 4,
    }

    @task(1)
    def register_another(self):
        self.register(f"locust-{uuid.uuid4().hex}", uuid.uuid4().hex)


def expiry_of(token):
    """When a JWT expires, in Unix seconds; None where there is none or it isn't one."""
    try:
        payload = token.split(".")[1]
        padded = payload + "=" * (-len(payload) % 4)
        return json.loads(base64.urlsafe_b64decode(padded))["exp"]
    except (AttributeError, IndexError, KeyError, ValueError):
        return None
