#!/usr/bin/env python3
"""Stands between a client and the GitHub simulator, and adds what the simulator lacks.

    github_proxy.py PORT UPSTREAM SIMULATOR_TOKEN REPOSITORY GIT_DIR [JUDGE]

What it does, so that nobody takes a result for more than it is:
- The simulator knows one user. Here each token is a user of its own (see USERS), and author, merger, closer, committer
  and commenter in the answers are rewritten to whoever's token made the request.
- The simulator lacks three operations; they are answered here from what went through: the commits of a pull request,
  the comparison of two branches, and the deletion of a file on a branch.
- Simulator and git server share no state. When a pull request is merged, its files are carried into the git repository
  as one commit on the base branch, and so is each file that is written to a branch that git has too. Commit ids are
  translated between the two.
- Faults can be asked for (`POST /_control/fault`): an answer that is lost after the request was done, or an answer of
  any status with any headers.
- Each request of a client is repeated to the judge, a validating proxy for GitHub's OpenAPI description, whose
  complaints are kept (`GET /_control/requests`).

It listens on 127.0.0.1 only and treats one request at a time.
"""
import base64
import http.client
import http.server
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import urllib.parse

API = "/gw/api.github.com"
MAX_BODY = 32 << 20
USERS = {
    "token-of-evenkeel-bot": {"login": "evenkeel-bot", "id": 1, "type": "User"},
    "token-of-alice": {"login": "alice", "id": 2, "type": "User"},
    "token-of-bob": {"login": "bob", "id": 3, "type": "User"},
    "token-of-robot": {"login": "robot[bot]", "id": 4, "type": "Bot"},
}


class Answer(Exception):
    """An answer that is given instead of the simulator's."""

    def __init__(self, status, body):
        super().__init__(status)
        self.status, self.body = status, body


def call(url, method, path, body=None, token=None):
    """One request to a server on this machine: status, headers, bytes."""
    at = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(at.hostname, at.port, timeout=60)
    headers = {"Content-Type": "application/json", "Accept": "application/vnd.github+json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    try:
        connection.request(method, at.path.rstrip("/") + path, body=body, headers=headers)
        response = connection.getresponse()
        return response.status, response.headers, response.read(MAX_BODY)
    finally:
        connection.close()


class World:
    """What is known of the simulator's repository beyond what it tells itself."""

    def __init__(self, upstream, token, repository, git_dir, judge):
        self.upstream, self.token, self.repository = upstream, token, repository
        self.git_dir, self.judge_url = git_dir, judge
        self.pulls = {}  # number: {author, merged_by, closed_by, branch}
        self.comments = {}  # id: user
        self.branches = {}  # name: {base, commits: [{sha, user, path, content}]}
        self.to_git, self.to_simulator = {}, {}
        self.faults, self.requests = [], []

    # -- the simulator ---------------------------------------------------------------------------------------------

    def ask(self, method, path, body=None):
        """A request to the simulator as its one user; path below the repository or, with a slash, below the API."""
        if not path.startswith("/"):
            path = f"/repos/{self.repository}/{path}"
        raw = None if body is None else json.dumps(body)
        status, headers, data = call(self.upstream, method, path, raw, self.token)
        try:
            return status, headers, json.loads(data) if data else None
        except ValueError:
            return status, headers, None

    def head(self, branch):
        status, _, found = self.ask("GET", f"git/ref/heads/{branch}")
        return found["object"]["sha"] if status == 200 else None

    # -- git -------------------------------------------------------------------------------------------------------

    def git(self, *args, data=None, env=None):
        done = subprocess.run(
            ["git", "--git-dir", self.git_dir, *args], input=data, stdout=subprocess.PIPE, check=True,
            env={**os.environ, **(env or {})}, timeout=60,
        )
        return done.stdout.decode().strip()

    def carry(self, number, base, user):
        """Carries the files of a merged pull request into the git repository, as one commit on the base branch."""
        _, _, files = self.ask("GET", f"pulls/{number}/files?per_page=100")
        self.carry_files(files, base, f"Merge pull request #{number}", user)

    def carry_files(self, files, base, message, user):
        old = self.git("rev-parse", f"refs/heads/{base}")
        with tempfile.TemporaryDirectory() as folder:
            env = {
                "GIT_INDEX_FILE": os.path.join(folder, "index"),
                "GIT_AUTHOR_NAME": user["login"], "GIT_AUTHOR_EMAIL": f"{user['login']}@example.org",
                "GIT_COMMITTER_NAME": user["login"], "GIT_COMMITTER_EMAIL": f"{user['login']}@example.org",
            }
            self.git("read-tree", old, env=env)
            for file in files:
                self.carry_file(file, base, env)
            tree = self.git("write-tree", env=env)
            new = self.git("commit-tree", tree, "-p", old, "-m", message, env=env)
        self.git("update-ref", f"refs/heads/{base}", new, old)
        self.match(base)

    def carry_file(self, file, base, env):
        path = file["filename"]
        if file["status"] == "removed":
            self.git("update-index", "--force-remove", path, env=env)
            return
        _, _, found = self.ask("GET", f"contents/{urllib.parse.quote(path)}?ref={base}")
        blob = self.git("hash-object", "-w", "--stdin", data=base64.b64decode(found["content"]))
        self.git("update-index", "--add", "--cacheinfo", f"100644,{blob},{path}", env=env)

    def match(self, branch):
        """Notes that the heads of a branch are the same commit on both sides."""
        ours, theirs = self.git("rev-parse", f"refs/heads/{branch}"), self.head(branch)
        self.to_git[theirs], self.to_simulator[ours] = ours, theirs

    # -- what the simulator lacks ----------------------------------------------------------------------------------

    def commits_of(self, branch):
        known = self.branches.get(branch, {"commits": []})
        return [
            {"sha": one["sha"], "author": one["user"], "committer": one["user"], "parents": [{"sha": "0" * 40}],
             "commit": {"message": one["message"]}}
            for one in known["commits"]
        ]

    def files_of(self, branch):
        files = {}
        for one in self.branches[branch]["commits"]:
            if one["content"] is None:
                files.pop(one["path"], None)
            else:
                files[one["path"]] = one["content"]
        return files

    def compare(self, base, branch):
        known, head = self.branches.get(branch), self.head(base)
        if known is None or head is None or self.head(branch) is None:
            raise Answer(404, {"message": "Not Found"})
        files = [{"filename": path, "status": "added"} for path in self.files_of(branch)]
        commits = self.commits_of(branch)
        behind = 0 if known["base"] == head else 1
        return {"ahead_by": len(commits), "behind_by": behind, "commits": commits, "files": files}

    def delete_file(self, path, wanted, user):
        """Deletes a file that was added on the branch: builds the branch anew without it and moves the name over."""
        branch = wanted.get("branch", "")
        known = self.branches.get(branch)
        status, _, found = self.ask("GET", f"contents/{urllib.parse.quote(path)}?ref={branch}")
        if known is None or status != 200:
            raise Answer(404, {"message": "Not Found"})
        if found["sha"] != wanted.get("sha"):
            raise Answer(409, {"message": f"{path} does not match {wanted.get('sha')}"})
        files = self.files_of(branch)
        if path not in files:
            raise Answer(501, {"message": "the harness only deletes what was added on the branch"})
        del files[path]
        scratch = f"scratch-{len(self.requests)}"
        self.ask("POST", "git/refs", {"ref": f"refs/heads/{scratch}", "sha": known["base"]})
        for kept, content in files.items():
            change = {"message": wanted["message"], "content": content, "branch": scratch}
            self.ask("PUT", f"contents/{urllib.parse.quote(kept)}", change)
        head = self.head(scratch)
        self.ask("PATCH", f"git/refs/heads/{branch}", {"sha": head, "force": True})
        self.ask("DELETE", f"git/refs/heads/{scratch}")
        self.note_commit(branch, head, user, path, None, wanted["message"])
        return {"content": None, "commit": {"sha": head}}

    def note_commit(self, branch, sha, user, path, content, message):
        known = self.branches.setdefault(branch, {"base": None, "commits": []})
        known["commits"].append({"sha": sha, "user": user, "path": path, "content": content, "message": message})

    # -- one request -----------------------------------------------------------------------------------------------

    def answer(self, method, path, body, user):
        """Status, headers and JSON for a request; `path` is below the API and holds the query."""
        if path == "/user":
            return 200, {}, user
        below = f"/repos/{self.repository}/"
        if not path.startswith(below):
            return self.ask(method, path, body)
        rest, _, query = path[len(below):].partition("?")
        rest = urllib.parse.unquote(rest)
        emulated = self.emulate(method, rest, query, body, user)
        if emulated is not None:
            return 200, {}, emulated
        if found := re.fullmatch(r"(statuses/|commits/)([0-9a-f]{40})(.*)", rest):
            where, sha, more = found.groups()
            path = f"{below}{where}{self.to_simulator.get(sha, sha)}{more}"
        status, headers, data = self.ask(method, path, body)
        if 200 <= status < 300:
            self.learn(method, rest, body, data, user)
        return status, headers, self.rewrite(rest, data)

    def emulate(self, method, rest, query, body, user):
        if method == "GET" and (found := re.fullmatch(r"pulls/(\d+)/commits", rest)):
            pull = self.pulls.get(int(found[1]))
            if pull is None:
                raise Answer(404, {"message": "Not Found"})
            page = int(urllib.parse.parse_qs(query).get("page", ["1"])[0])
            return pull["commits"]() if page == 1 else []
        if method == "GET" and (found := re.fullmatch(r"compare/(.+?)\.\.\.(.+)", rest)):
            return self.compare(found[1], found[2])
        if method == "DELETE" and (found := re.fullmatch(r"contents/(.+)", rest)):
            return self.delete_file(found[1], body or {}, user)
        return None

    def learn(self, method, rest, body, data, user):
        """Notes who did what."""
        if (method, rest) == ("POST", "git/refs"):
            name = body["ref"].removeprefix("refs/heads/")
            self.branches[name] = {"base": body["sha"], "commits": []}
        elif method == "PUT" and rest.startswith("contents/"):
            path = rest.removeprefix("contents/")
            branch = body.get("branch", "main")
            self.note_commit(branch, data["commit"]["sha"], user, path, body["content"], body["message"])
            if self.git("for-each-ref", f"refs/heads/{branch}"):
                self.carry_files([{"filename": path, "status": "added"}], branch, body["message"], user)
        elif (method, rest) == ("POST", "pulls"):
            branch = self.branches.setdefault(data["head"]["ref"], {"base": None, "commits": []})
            name = data["head"]["ref"]
            # A branch that is made anew later has commits of its own; this pull request keeps those it had.
            self.pulls[data["number"]] = {
                "author": user, "base": data["base"]["ref"],
                "commits": lambda: self.commits_of_record(branch, name),
            }
        elif method == "PUT" and (found := re.fullmatch(r"pulls/(\d+)/merge", rest)):
            pull = self.pulls.setdefault(int(found[1]), {"base": "main", "commits": lambda: []})
            pull["merged_by"] = user
            self.carry(int(found[1]), pull["base"], user)
        elif method == "PATCH" and (found := re.fullmatch(r"(?:pulls|issues)/(\d+)", rest)):
            pull = self.pulls.setdefault(int(found[1]), {"base": "main", "commits": lambda: []})
            if (body or {}).get("state") == "closed":
                pull["closed_by"] = user
        elif method == "POST" and re.fullmatch(r"issues/\d+/comments", rest):
            self.comments[data["id"]] = user

    def commits_of_record(self, record, name):
        kept, self.branches[name] = self.branches.get(name), record
        try:
            return self.commits_of(name)
        finally:
            if kept is not None:
                self.branches[name] = kept

    def rewrite(self, rest, data):
        """Puts in who really did it."""
        for one in data if isinstance(data, list) else [data]:
            if not isinstance(one, dict):
                continue
            pull = self.pulls.get(one.get("number"))
            if pull and rest.startswith("pulls"):
                one["user"] = pull.get("author", one.get("user"))
                one["merged_by"] = pull.get("merged_by")
                merge = one.get("merge_commit_sha")
                one["merge_commit_sha"] = self.to_git.get(merge, merge)
                one["head"]["repo"] = one["base"]["repo"] = {"full_name": self.repository}
            elif pull and rest.startswith("issues"):
                one["closed_by"] = pull.get("closed_by") if one.get("state") == "closed" else None
            elif rest.endswith("/comments") and one.get("id") in self.comments:
                one["user"] = self.comments[one["id"]]
        return data

    # -- faults and judgement --------------------------------------------------------------------------------------

    def fault_for(self, method, path):
        for fault in self.faults:
            if fault["times"] > 0 and fault["method"] == method and re.search(fault["path"], path):
                fault["times"] -= 1
                return fault
        return None

    def judge(self, method, path, raw):
        """What the judge says against a request; none when there is no judge."""
        if not self.judge_url:
            return None
        plain, _, query = path.partition("?")
        # The description has one part for a path with slashes, so these are encoded.
        many = r"^(/repos/[^/]+/[^/]+/(?:contents|git/ref|git/refs|compare))/(.+)$"
        plain = re.sub(many, lambda m: f"{m[1]}/{m[2].replace('/', '%2F')}", plain)
        status, headers, body = call(self.judge_url, method, plain + ("?" + query if query else ""), raw)
        said = json.loads(headers.get("sl-violations") or "[]")
        complaints = [one for one in said if one["location"][0] == "request"]
        if b"stoplight.io/prism/errors" in body:
            complaints.append({"location": ["request"], "message": body.decode(errors="replace")})
        if not complaints and status >= 500:
            complaints.append({"location": ["judge"], "message": f"the judge answered {status}"})
        return complaints


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    world = None
    lock = threading.Lock()

    def serve(self):
        length = int(self.headers.get("Content-Length") or 0)
        if length > MAX_BODY:
            return self.reply(413, {"message": "too large"})
        raw = self.rfile.read(length)
        if self.path.startswith("/_sink/"):
            return self.reply(200, {})
        with self.lock:
            if self.path.startswith("/_control/"):
                return self.control(self.path.removeprefix("/_control/"), raw)
        if not self.path.startswith(API + "/"):
            return self.reply(404, {"message": "Not Found"})
        path = self.path[len(API):]
        # Outside of the lock, since the judge asks `/_sink/` of this very server.
        complaints = self.world.judge(self.command, path, raw)
        with self.lock:
            return self.forward(path, raw, complaints)

    def forward(self, path, raw, complaints):
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        user = USERS.get(token)
        record = {"method": self.command, "path": path, "user": user and user["login"], "violations": complaints}
        self.world.requests.append(record)
        if user is None:
            record["status"] = 401
            return self.reply(401, {"message": "Bad credentials"})
        fault = self.world.fault_for(self.command, path)
        if fault and fault["when"] == "before":
            return self.fail(fault, record)
        try:
            body = json.loads(raw) if raw else None
            status, headers, data = self.world.answer(self.command, path, body, user)
        except Answer as answer:
            status, headers, data = answer.status, {}, answer.body
        record["status"] = status
        if fault:
            return self.fail(fault, record)
        return self.reply(status, data)

    def fail(self, fault, record):
        record["fault"] = fault.get("status", "no answer")
        if "status" not in fault:
            self.close_connection = True
            return None
        return self.reply(fault["status"], {"message": "asked for by the test"}, fault.get("headers", {}))

    def control(self, what, raw):
        if (self.command, what) == ("POST", "fault"):
            self.world.faults.append({"when": "after", "times": 1, **json.loads(raw)})
            return self.reply(200, {})
        if (self.command, what) == ("POST", "match"):
            self.world.match(json.loads(raw)["branch"])
            return self.reply(200, {})
        if (self.command, what) == ("GET", "requests"):
            return self.reply(200, self.world.requests)
        return self.reply(404, {"message": "no such control"})

    def reply(self, status, data, headers=None):
        payload = b"" if data is None or status == 204 else json.dumps(data).encode()
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = serve

    def log_message(self, *args):
        pass


def main():
    port, upstream, token, repository, git_dir = sys.argv[1:6]
    judge = sys.argv[6] if len(sys.argv) > 6 else None
    Handler.world = World(upstream, token, repository, git_dir, judge)
    http.server.ThreadingHTTPServer(("127.0.0.1", int(port)), Handler).serve_forever()


if __name__ == "__main__":
    main()
