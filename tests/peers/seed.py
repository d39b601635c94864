#!/usr/bin/env python3
"""Writes the simulator's environment for a folder of files: seed.py REPOSITORY FOLDER

The people are the ones that the proxy knows; the main branch holds the folder's files. Its clock is the machine's, since
how long something rests is reckoned with both.
"""
import json
import os
import sys


def files_below(folder):
    found = {}
    for directory, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(directory, name)
            with open(path, encoding="utf-8") as source:
                found[os.path.relpath(path, folder)] = source.read()
    return found


def main():
    repository, folder = sys.argv[1:3]
    owner = repository.split("/")[0]
    users = [{"login": login, "name": login, "email": f"{login}@example.org"} for login in ("evenkeel-bot", "alice", "bob")]
    users.append({"login": owner, "name": owner, "type": "Organization"})
    repo = {"name": repository, "private": False, "files": files_below(folder), "labels": ["drift"]}
    github = {"service": "github", "seed": {"viewer": "evenkeel-bot", "users": users, "repos": [repo]}}
    # JSON is YAML.
    json.dump({"name": "evenkeel", "task": "tests", "now": "wallclock", "servers": {"github": github}}, sys.stdout)


if __name__ == "__main__":
    main()
