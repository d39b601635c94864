#!/usr/bin/env bash
# The GitHub of the tests: a simulator, a proxy before it, a judge of requests, and git over HTTP.
#
#   github.sh up DIR [FILES]   starts everything on free ports of 127.0.0.1 and prints NAME=value lines to source;
#                              FILES is a folder whose files are the main branch, of the API and of git alike
#   github.sh down DIR         stops what `up` started there, by process id
#
# Ends with 3 when a peer cannot be had, after saying which; with EVENKEEL_REQUIRE_PEERS=1 that is a failure (1).
# Without npm only the judge is left out. Packages are kept in EVENKEEL_PEERS_CACHE.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${EVENKEEL_PEERS_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/evenkeel-peers}
repository=o/r
simulator_packages=(myworld==0.2.1 graphql-core==3.3.2)
judge_packages=(@stoplight/prism-cli@5.14.2 @octokit/openapi@23.0.2)

missing() { # WHAT
  echo "skipped: $1" >&2
  [ "${EVENKEEL_REQUIRE_PEERS:-}" = 1 ] && exit 1
  exit 3
}

free_ports() { # COUNT
  python3 - "$1" <<'PY'
import socket, sys
held = [socket.socket() for _ in range(int(sys.argv[1]))]
for one in held:
    one.bind(("127.0.0.1", 0))
print(*(one.getsockname()[1] for one in held))
PY
}

start() { # NAME COMMAND...
  local name=$1
  shift
  setsid "$@" >"$dir/$name.log" 2>&1 </dev/null &
  echo $! >"$dir/$name.pid"
}

answers() { # NAME URL SECONDS
  local end=$((SECONDS + $3))
  until curl -s -o /dev/null -m 2 "$2"; do
    if ! kill -0 "$(cat "$dir/$1.pid")" 2>/dev/null || [ $SECONDS -ge $end ]; then
      tail -n 5 "$dir/$1.log" >&2
      return 1
    fi
    sleep 0.2
  done
}

install_simulator() {
  local venv=$cache/venv
  [ -x "$venv/bin/myworld" ] && return
  mkdir -p "$cache"
  python3 -m venv "$venv" && "$venv/bin/pip" install -q "${simulator_packages[@]}" >&2
}

install_judge() {
  [ -x "$cache/judge/node_modules/.bin/prism" ] && return
  mkdir -p "$cache/judge"
  npm install --prefix "$cache/judge" --silent --no-fund --no-audit "${judge_packages[@]}" >&2
}

start_simulator() { # PORT
  python3 "$here/seed.py" "$repository" "$dir/files" >"$dir/simulator.yaml"
  start simulator "$cache/venv/bin/myworld" serve --host 127.0.0.1 --port "$1" --env "$dir/simulator.yaml" --time realtime
  answers simulator "http://127.0.0.1:$1/envs" 60
}

start_judge() { # PORT PROXY_PORT
  local generated=$cache/judge/node_modules/@octokit/openapi/generated/api.github.com.json
  python3 "$here/openapi.py" "$generated" "$dir/openapi.json"
  start judge "$cache/judge/node_modules/.bin/prism" proxy "$dir/openapi.json" "http://127.0.0.1:$2/_sink" -h 127.0.0.1 -p "$1"
  answers judge "http://127.0.0.1:$1/user" 120
}

make_repository() { # FILES
  local bare=$dir/git/$repository.git
  mkdir -p "$dir/files"
  if [ -n "$1" ]; then cp -R "$1/." "$dir/files/"; else echo "# r" >"$dir/files/README.md"; fi
  git init -q --bare -b main "$bare"
  git -C "$bare" config http.receivepack true
  git init -q -b main "$dir/work"
  git -C "$dir/work" --work-tree "$dir/files" add -A
  git -C "$dir/work" -c user.name=seed -c user.email=seed@example.org -c commit.gpgsign=false \
    --work-tree "$dir/files" commit -q -m "The baseline"
  git -C "$dir/work" push -q "$bare" main
}

# A judge that finds nothing wrong with a wrong request is none.
check_judge() { # API_URL CONTROL_URL
  curl -s -o /dev/null -m 30 -X POST -H "Content-Type: application/json" -d '{"title":"x"}' "$1/repos/$repository/pulls"
  curl -s -m 30 "$2/requests" | python3 -c 'import json,sys; sys.exit(not json.load(sys.stdin)[0]["violations"])'
}

up() {
  dir=$1
  mkdir -p "$dir"
  dir=$(cd "$dir" && pwd)
  command -v git >/dev/null || missing "git is not installed"
  command -v curl >/dev/null || missing "curl is not installed"
  python3 -c 'import venv' 2>/dev/null || missing "python3 with venv is not installed"
  install_simulator || missing "the GitHub simulator (PyPI: ${simulator_packages[*]}) cannot be installed"
  local judged=0
  if ! command -v npm >/dev/null || ! install_judge; then
    [ "${EVENKEEL_REQUIRE_PEERS:-}" = 1 ] && missing "the judge (npm: ${judge_packages[*]}) cannot be installed"
    echo "skipped: the judge of requests, which needs npm" >&2
  else
    judged=1
  fi
  trap 'down "$dir"' EXIT
  make_repository "${2:-}"
  local simulator proxy git judge
  read -r simulator proxy git judge < <(free_ports 4)
  start_simulator "$simulator"
  local token
  token=$(curl -s -m 10 "http://127.0.0.1:$simulator/envs" |
    python3 -c 'import json,sys; print(json.load(sys.stdin)["envs"][0]["credentials"]["agent"]["github_token"])')
  local bare=$dir/git/$repository.git api=http://127.0.0.1:$proxy/gw/api.github.com control=http://127.0.0.1:$proxy/_control
  local judge_url=()
  [ $judged = 1 ] && judge_url=("http://127.0.0.1:$judge")
  start proxy python3 "$here/github_proxy.py" "$proxy" "http://127.0.0.1:$simulator/gw/api.github.com" \
    "$token" "$repository" "$bare" "${judge_url[@]}"
  answers proxy "$control/requests" 10
  curl -sf -o /dev/null -m 30 -d '{"branch":"main"}' "$control/match"
  start git python3 "$here/git_http.py" "$git" "$dir/git"
  answers git "http://127.0.0.1:$git/$repository.git/HEAD" 10
  if [ $judged = 1 ]; then
    start_judge "$judge" "$proxy"
    check_judge "$api" "$control"
  fi
  trap - EXIT
  cat <<ENV
EVENKEEL_TEST_GITHUB_URL=$api
EVENKEEL_TEST_GITHUB_CONTROL=$control
EVENKEEL_TEST_GITHUB_REPOSITORY=$repository
EVENKEEL_TEST_GITHUB_JUDGED=$judged
EVENKEEL_TEST_TOKEN_BOT=token-of-evenkeel-bot
EVENKEEL_TEST_TOKEN_ALICE=token-of-alice
EVENKEEL_TEST_TOKEN_BOB=token-of-bob
EVENKEEL_TEST_TOKEN_ROBOT=token-of-robot
EVENKEEL_TEST_GIT_URL=http://127.0.0.1:$git/$repository.git
ENV
}

down() {
  local file
  for file in "$1"/*.pid; do
    [ -e "$file" ] || continue
    # Each was started as the leader of its own group, so this ends it with its children and nothing else.
    kill -- "-$(cat "$file")" 2>/dev/null || true
    rm -f "$file"
  done
}

case "${1:-}:${2:+given}" in
up:given) up "$2" "${3:-}" ;;
down:given) down "$2" ;;
*) sed -n '2,10s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 1 ;;
esac
