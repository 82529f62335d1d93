#!/usr/bin/env bash
# with-mysql.sh CMD [ARG...]
#
# Runs CMD with MONORELAY_TEST_MYSQL_DSN set to an empty MySQL or MariaDB server and exits with CMD's status.
# The server comes from the first of these that is there:
#
#   1. MONORELAY_TEST_MYSQL_DSN, when it is set already;
#   2. a private server from this machine's mariadbd or mysqld, gone again when CMD has ended;
#   3. the same, after installing MariaDB with apt, when running as root on a Debian-like machine;
#   4. a mysql:8.4 container, removed afterwards.
#
# CMD runs in a process group of its own and gets no terminal input. Works with bash 3.2 (macOS).
set -u

say() { printf 'with-mysql: %s\n' "$*" >&2; }

if [ $# -eq 0 ]; then
  say 'usage: with-mysql.sh CMD [ARG...]'
  exit 2
fi

if [ -n "${MONORELAY_TEST_MYSQL_DSN:-}" ]; then
  say 'using the server that MONORELAY_TEST_MYSQL_DSN names'
  exec "$@"
fi

# Where servers are that are not on everyone's PATH: Debian's and Homebrew's.
PATH=$PATH:/usr/sbin:/usr/local/sbin:/usr/local/bin:/opt/homebrew/bin
for keg in /opt/homebrew/opt /usr/local/opt; do
  PATH=$PATH:$keg/mariadb/bin:$keg/mysql/bin:$keg/mysql@8.4/bin
done

dir='' server='' command='' container='' outcome=''

# alive PID: whether a child of this script still runs.
alive() { [ -n "$1" ] && kill -0 "$1" 2>/dev/null; }

# end TARGET SIGNAL SECONDS: signals a child (or "-PID", its group), and kills it when it stays longer than that.
end() {
  kill -"$2" -- "$1" 2>/dev/null || return 0
  local tries=$(($3 * 10))
  while [ "$tries" -gt 0 ] && kill -0 -- "$1" 2>/dev/null; do
    sleep 0.1
    tries=$((tries - 1))
  done
  kill -KILL -- "$1" 2>/dev/null
}

cleanup() {
  outcome=$?
  trap '' INT TERM HUP
  [ -n "$command" ] && end "-$command" TERM 10
  [ -n "$server" ] && end "$server" TERM 10 && wait "$server" 2>/dev/null
  [ -n "$container" ] && docker rm --force --volumes "$container" >/dev/null 2>&1
  [ -n "$dir" ] && rm -rf "$dir"
  exit "$outcome"
}

interrupted() {
  [ -n "$command" ] && kill -"$1" -- "-$command" 2>/dev/null
  exit "$2"
}

trap cleanup EXIT
trap 'interrupted INT 130' INT
trap 'interrupted TERM 143' TERM
trap 'interrupted HUP 129' HUP

find_server() { command -v mariadbd || command -v mysqld; }

# as_user prints the option that a server needs when root starts it.
as_user() {
  [ "$(id -u)" -eq 0 ] || return 0
  if id mysql >/dev/null 2>&1; then echo --user=mysql; else echo --user=root; fi
}

# prepare BINARY FLAVOUR: makes an empty data directory below $dir. Log in $dir/init.log.
prepare() {
  # A server that root starts runs as another user, who may not be able to enter root's TMPDIR.
  local base=${TMPDIR:-/tmp} user installer
  user=$(as_user)
  [ -n "$user" ] && base=/tmp
  dir=$(mktemp -d "${base%/}/monorelay-mysql.XXXXXX") || return 1
  mkdir "$dir/tmp" || return 1
  [ "$user" = --user=mysql ] && { chown -R mysql "$dir" || return 1; }

  if [ "$2" = mysql ]; then
    "$1" --no-defaults $user --initialize-insecure --datadir="$dir/data" --tmpdir="$dir/tmp" >"$dir/init.log" 2>&1 </dev/null
    return
  fi
  installer=$(command -v mariadb-install-db || command -v mysql_install_db) || {
    echo 'mariadb-install-db is missing' >"$dir/init.log"
    return 1
  }
  "$installer" --no-defaults $user --datadir="$dir/data" --tmpdir="$dir/tmp" --auth-root-authentication-method=normal \
    --skip-test-db --skip-name-resolve >"$dir/init.log" 2>&1 </dev/null
}

# launch BINARY FLAVOUR PORT: starts the server and waits until it accepts connections.
launch() {
  local tries=600 options=''
  # MySQL knows root only as root@localhost, which it can't tell from an address alone.
  [ "$2" = mariadb ] && options=--skip-name-resolve
  : >"$dir/server.log"
  [ "$(as_user)" = --user=mysql ] && chown mysql "$dir/server.log"
  set -m # a group of its own, which a terminal's Ctrl-C doesn't reach
  (
    # Without this an ordinary limit of 1024 files would silently lower max_connections.
    ulimit -n 8192 2>/dev/null || ulimit -n "$(ulimit -H -n)" 2>/dev/null
    exec "$1" --no-defaults $(as_user) --datadir="$dir/data" --tmpdir="$dir/tmp" --socket="$dir/s.sock" --pid-file="$dir/pid" \
      --bind-address=127.0.0.1 --port="$3" --log-error="$dir/server.log" --max-connections=500 $options \
      --skip-log-bin --performance-schema=OFF --loose-mysqlx=OFF \
      --innodb-flush-log-at-trx-commit=0 --innodb-doublewrite=0 --innodb-buffer-pool-size=64M --loose-innodb-log-file-size=16M \
      --character-set-server=utf8mb4 --collation-server=utf8mb4_bin
  ) </dev/null >>"$dir/server.log" 2>&1 &
  server=$!
  set +m
  while [ "$tries" -gt 0 ]; do
    alive "$server" || break
    grep -q 'ready for connections' "$dir/server.log" && return 0
    sleep 0.1
    tries=$((tries - 1))
  done
  end "$server" TERM 10
  wait "$server" 2>/dev/null
  server=''
  return 1
}

# start_local BINARY: a private server on a free port.
start_local() {
  local flavour=mysql version port attempt log=init.log
  version=$("$1" --no-defaults --version 2>/dev/null | head -n 1)
  case $version in *MariaDB*) flavour=mariadb ;; esac

  if prepare "$1" "$flavour"; then
    log=server.log
    for attempt in 1 2 3 4 5 6 7 8 9 10; do
      # Below the ports that kernels hand out by themselves. Whoever binds first has it: the other one tries again.
      port=$((20000 + RANDOM % 12000))
      if launch "$1" "$flavour" "$port"; then
        say "using a private server on port $port: ${version:-$1}"
        export MONORELAY_TEST_MYSQL_DSN="root@tcp(127.0.0.1:$port)/"
        return 0
      fi
      grep -qiE 'address already in use|bind on tcp/ip port|another .* already running on port' "$dir/server.log" || break
    done
  fi
  say "$1 does not start; the end of its log:"
  tail -n 20 "$dir/$log" >&2
  rm -rf "$dir"
  dir=''
  return 1
}

install_server() {
  [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null || return 1
  say 'installing MariaDB with apt-get'
  # The core packages have the server without the service that would start with the machine.
  set -- apt-get -o DPkg::Lock::Timeout=900 install -y --no-install-recommends mariadb-server-core mariadb-client-core
  export DEBIAN_FRONTEND=noninteractive
  "$@" </dev/null >&2 && return
  apt-get -o DPkg::Lock::Timeout=900 update </dev/null >&2 && "$@" </dev/null >&2
}

start_container() {
  local tries=1200 port
  container=$(docker run --detach --env MYSQL_ALLOW_EMPTY_PASSWORD=yes --publish 127.0.0.1::3306 --tmpfs /var/lib/mysql mysql:8.4 \
    --max-connections=500 --skip-log-bin --performance-schema=OFF --mysqlx=OFF \
    --innodb-flush-log-at-trx-commit=0 --innodb-doublewrite=0 --innodb-buffer-pool-size=64M \
    --character-set-server=utf8mb4 --collation-server=utf8mb4_bin) || return 1
  # The image first runs a server of its own that listens on no port.
  while ! docker logs "$container" 2>&1 | grep 'ready for connections' | grep -q 'port: 3306 '; do
    tries=$((tries - 1))
    if [ "$tries" -eq 0 ] || [ "$(docker inspect --format '{{.State.Running}}' "$container" 2>/dev/null)" != true ]; then
      say 'the mysql:8.4 container does not start; the end of its log:'
      docker logs --tail 20 "$container" >&2
      return 1
    fi
    sleep 0.1
  done
  port=$(docker port "$container" 3306/tcp | head -n 1)
  say "using a mysql:8.4 container on port ${port##*:}"
  export MONORELAY_TEST_MYSQL_DSN="root@tcp(127.0.0.1:${port##*:})/"
}

start() {
  local binary
  if binary=$(find_server); then
    start_local "$binary" && return
  elif install_server && binary=$(find_server); then
    start_local "$binary" && return
  fi
  command -v docker >/dev/null && docker info >/dev/null 2>&1 && start_container
}

if ! start; then
  say 'install MariaDB or MySQL (Debian, Ubuntu: apt-get install mariadb-server; macOS: brew install mariadb), start Docker, or set MONORELAY_TEST_MYSQL_DSN.'
  exit 1
fi

set -m
"$@" <&0 &
command=$!
set +m
wait "$command"
status=$?
command=''
if [ -n "$server" ] && ! alive "$server"; then
  say 'the server ended before the command did; the end of its log:'
  tail -n 20 "$dir/server.log" >&2
fi
exit "$status"
