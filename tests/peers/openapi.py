#!/usr/bin/env python3
"""Cuts GitHub's OpenAPI description down to what a judge of requests needs: openapi.py IN OUT

Operations below one repository and `/user` stay, with the definitions that their requests refer to. Responses go,
since only requests are judged; without them the judge starts in seconds instead of minutes.
"""
import json
import sys

KEPT = ("/user", "/rate_limit")
BELOW_REPOSITORY = ("git/", "contents/", "pulls", "compare/", "issues/", "statuses/", "commits/")
METHODS = {"get", "put", "post", "patch", "delete"}
PREFIX = "/repos/{owner}/{repo}/"


def is_kept(path):
    if path in KEPT:
        return True
    return path.startswith(PREFIX) and path[len(PREFIX):].startswith(BELOW_REPOSITORY)


def references(node):
    """Every `#/components/...` below a node."""
    stack = [node]
    while stack:
        one = stack.pop()
        if isinstance(one, dict):
            ref = one.get("$ref")
            if isinstance(ref, str) and ref.startswith("#/components/"):
                yield ref
            stack.extend(one.values())
        elif isinstance(one, list):
            stack.extend(one)


def cut(full):
    paths = {}
    for path, item in full["paths"].items():
        if not is_kept(path):
            continue
        operations = {}
        for method, operation in item.items():
            if method in METHODS:
                operation = {k: v for k, v in operation.items() if k in ("operationId", "parameters", "requestBody")}
                operation["responses"] = {"200": {"description": "not judged"}}
                operations[method] = operation
        paths[path] = operations
    components, waiting = {}, list(references(paths))
    while waiting:
        ref = waiting.pop()
        _, _, sort, name = ref.split("/", 3)
        kept = components.setdefault(sort, {})
        if name not in kept:
            kept[name] = full["components"][sort][name]
            waiting.extend(references(kept[name]))
    return {"openapi": full["openapi"], "info": full["info"], "paths": paths, "components": components}


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as source:
        small = cut(json.load(source))
    with open(sys.argv[2], "w", encoding="utf-8") as target:
        json.dump(small, target)
