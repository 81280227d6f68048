# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# Servers on loopback, for the examples of client libraries. Sourced:
#
#     servers_begin build/x build/x/examples/libraries
#     trap servers_stop EXIT
#     servers_start libpq || echo "$servers_missing is not installed"
#     ... "${server_of[libpq]}"
#
# Data are under the first folder, and are kept for the next time. Servers that
# refuse to be root's run as the user that their package has made; the ports
# are free ones.

# In the order of how much they are used.
# shellcheck disable=SC2034
servers_libraries=(libpq hiredis libcurl libmariadb libmemcached getaddrinfo
    libmongoc websocket)
# shellcheck disable=SC2034
declare -A program_of=([libpq]=pg_many [hiredis]=redis_many
    [libcurl]=curl_many [libmariadb]=mariadb_many
    [libmemcached]=memcached_many [getaddrinfo]=names_many
    [libmongoc]=mongo_many [websocket]=websocket_many)
# Debian's; and npm, for MongoDB.
# shellcheck disable=SC2034
servers_packages=(libpq-dev postgresql libhiredis-dev redis-server
    libcurl4-openssl-dev nginx-light openssl libmariadb-dev mariadb-server
    libmemcached-dev memcached libmongoc-dev libssl-dev python3-websockets)
declare -A server_of # library -> what its example is to be told
declare -A tls_server_of
servers_pids=()
servers_missing=
servers_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

servers_begin() { # folder programs
    mkdir -p "$1"
    servers_data=$(cd "$1" && pwd)
    servers_programs=$(cd "$2" && pwd)
    # Short names, for sockets; and for whom the folder above is closed.
    servers_run=$(mktemp -d)
    chmod 755 "$servers_run"
}

servers_stop() {
    local i
    for i in "${servers_pids[@]}"; do
        kill "$i" 2>/dev/null || true
        kill -INT "$i" 2>/dev/null || true # PostgreSQL: do not wait for clients
    done
    for i in "${servers_pids[@]}"; do
        wait "$i" 2>/dev/null || true
    done
    servers_pids=()
    rm -rf "$servers_run"
}

servers_need() { # program...
    local program
    for program in "$@"; do
        [ -e "$program" ] || command -v "$program" >/dev/null || {
            servers_missing=$program
            return 1
        }
    done
}

# ---- what the starts below have in common -------------------------------------

servers_answers() { # port
    (: <"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

servers_port() { # sets $port
    while :; do
        port=$((20000 + RANDOM % 12000))
        servers_answers "$port" || return 0
    done
}

# How a command becomes a user's, if we are root, and ends with this shell,
# however that ends. Sets $as.
servers_as() { # user
    as=(setpriv --pdeathsig TERM)
    [ "$(id -u)" -ne 0 ] ||
        as+=(--reuid="$1" --regid="$1" --init-groups)
}

# In the background, until the port answers.
servers_launch() { # name user port command...
    local name=$1 port=$3 log=$servers_data/$1.log i as
    servers_as "$2"
    shift 3
    "${as[@]}" "$@" >"$log" 2>&1 </dev/null &
    servers_pids+=($!)
    for ((i = 0; i < 600; i++)); do
        ! servers_answers "$port" || return 0
        kill -0 "${servers_pids[-1]}" 2>/dev/null || break
        sleep 0.05
    done
    echo "$name does not start:" >&2
    tail -n 20 "$log" >&2
    return 2
}

# A folder of that user's; kept, if the user can reach it. Sets $folder.
servers_folder() { # name user
    local as
    servers_as "$2"
    folder=$servers_data/$1
    mkdir -p "$folder"
    if [ "$(id -u)" -eq 0 ]; then
        chown "$2" "$folder"
        if ! "${as[@]}" test -x "$folder"; then
            folder=$servers_run/$1
            mkdir "$folder"
            chown "$2" "$folder"
        fi
    fi
    chmod 700 "$folder"
}

servers_certificate() { # user; sets $certificate and $key
    certificate=$servers_run/$1.crt
    key=$servers_run/$1.key
    [ ! -f "$certificate" ] || return 0
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 \
        -nodes -days 30 -subj /CN=localhost -keyout "$key" \
        -addext subjectAltName=DNS:localhost,IP:127.0.0.1 \
        -out "$certificate" 2>/dev/null
    chmod 600 "$key"
    if [ "$(id -u)" -eq 0 ]; then
        chown "$1" "$key"
    fi
}

# What arrives there arrives 100 ms late. Sets $port.
servers_delayed() { # port
    local said=$servers_run/proxy.$1 i
    : >"$said"
    setpriv --pdeathsig TERM "$servers_programs/delay_proxy" "tcp://127.0.0.1:$1" \
        >>"$said" 2>&1 &
    servers_pids+=($!)
    for ((i = 0; i < 600; i++)); do
        port=$(sed -n 's/^listening on .*://p' "$said")
        [ -z "$port" ] || return 0
        sleep 0.05
    done
    echo "delay_proxy does not start" >&2
    return 2
}

# ---- one a library ------------------------------------------------------------

# Status 1: $servers_missing is not there; 2: it does not start, nor when it is
# tried again: another process may have got its port first.
servers_start() { # library
    local status _
    for _ in 1 2 3; do
        status=0
        servers_missing=
        "servers_start_$1" || status=$?
        [ "$status" -eq 2 ] || break
    done
    return "$status"
}

servers_start_libpq() {
    local bin port folder certificate key as i
    bin=$(printf '%s\n' /usr/lib/postgresql/*/bin | sort -V | tail -n 1)
    [ -d "$bin" ] || bin=
    bin=${bin:-$(dirname "$(command -v postgres || echo /none/none)")}
    servers_need "$bin/postgres" || servers_missing=postgresql
    [ -z "$servers_missing" ] || return 1
    servers_port
    servers_folder postgresql postgres
    servers_as postgres
    [ -f "$folder/PG_VERSION" ] ||
        "${as[@]}" "$bin/initdb" -N -A trust -U postgres -E UTF8 \
            --locale=C -D "$folder" >"$servers_data/initdb.log" 2>&1 || {
        cat "$servers_data/initdb.log" >&2
        return 2
    }
    servers_certificate postgres
    servers_launch postgresql postgres "$port" "$bin/postgres" \
        -D "$folder" -p "$port" -c listen_addresses=127.0.0.1 \
        -c unix_socket_directories= -c max_connections=250 -c fsync=off \
        -c ssl=on -c ssl_cert_file="$certificate" -c ssl_key_file="$key" ||
        return 2
    # It listens before it lets anybody in.
    for ((i = 0; i < 600; i++)); do
        ! grep -q 'ready to accept' "$servers_data/postgresql.log" || break
        sleep 0.05
    done
    server_of[libpq]="host=127.0.0.1 port=$port user=postgres dbname=postgres"
    tls_server_of[libpq]="${server_of[libpq]} sslmode=require"
    server_of[libpq]+=" sslmode=disable"
}

servers_start_hiredis() {
    local port
    servers_need redis-server || return 1
    servers_port
    servers_launch redis "$(id -un)" "$port" redis-server --port "$port" \
        --bind 127.0.0.1 --save '' --hz 100 --dir "$servers_run" || return 2
    server_of[hiredis]=127.0.0.1:$port
}

servers_start_libmemcached() {
    local port
    servers_need memcached || return 1
    servers_port
    servers_launch memcached "$(id -un)" "$port" memcached -l 127.0.0.1 -p "$port" \
        -u nobody -c 1024 || return 2
    servers_delayed "$port" || return 2
    server_of[libmemcached]=--SERVER=127.0.0.1:$port
}

servers_start_libmariadb() {
    local port folder certificate key as
    servers_need mariadbd mariadb-install-db || return 1
    servers_port
    servers_folder mariadb mysql
    servers_as mysql
    [ -d "$folder/mysql" ] ||
        "${as[@]}" mariadb-install-db --no-defaults --datadir="$folder" \
            --auth-root-authentication-method=normal --skip-test-db \
            >"$servers_data/mariadb-install-db.log" 2>&1 || {
        cat "$servers_data/mariadb-install-db.log" >&2
        return 2
    }
    servers_certificate mysql
    # Many handshakes at once, of a client under memcheck, take more than 10 s.
    servers_launch mariadb mysql "$port" mariadbd --no-defaults \
        --datadir="$folder" --socket="$folder/socket" --port="$port" \
        --bind-address=127.0.0.1 --max-connections=300 --skip-name-resolve \
        --connect-timeout=300 \
        --innodb-flush-log-at-trx-commit=0 --innodb-use-native-aio=0 \
        --innodb-buffer-pool-size=16M --ssl-cert="$certificate" \
        --ssl-key="$key" || return 2
    server_of[libmariadb]=$servers_run/my.cnf
    tls_server_of[libmariadb]=$servers_run/my-tls.cnf
    printf '%s\n' '[client]' host=127.0.0.1 "port=$port" user=root \
        >"${server_of[libmariadb]}"
    # Without ssl-ca each connection reads the whole system's.
    { cat "${server_of[libmariadb]}" && echo "ssl-ca=$certificate"; } \
        >"${tls_server_of[libmariadb]}"
}

# A page is its path; the server behind the delay is the one before it, too.
servers_start_libcurl() {
    local port plain secure certificate key
    servers_need nginx openssl || return 1
    servers_port
    plain=$port
    servers_port
    secure=$port
    servers_delayed "$plain" || return 2
    servers_certificate "$(id -un)"
    cat >"$servers_run/nginx.conf" <<EOT
daemon off;
pid $servers_run/nginx.pid;
error_log $servers_data/nginx.error.log;
worker_processes 1;
events { worker_connections 2000; }
http {
    access_log off;
    client_body_temp_path $servers_run/nginx.1;
    proxy_temp_path $servers_run/nginx.2;
    fastcgi_temp_path $servers_run/nginx.3;
    uwsgi_temp_path $servers_run/nginx.4;
    scgi_temp_path $servers_run/nginx.5;
    server {
        listen 127.0.0.1:$plain backlog=1000;
        return 200 \$uri;
    }
    server {
        listen 127.0.0.1:$secure ssl http2 backlog=1000;
        ssl_certificate $certificate;
        ssl_certificate_key $key;
        location / { proxy_pass http://127.0.0.1:$port; }
    }
}
EOT
    servers_launch nginx "$(id -un)" "$secure" nginx -c "$servers_run/nginx.conf" \
        -e "$servers_data/nginx.error.log" || return 2
    server_of[libcurl]=http://127.0.0.1:$port
    tls_server_of[libcurl]=https://127.0.0.1:$secure
}

servers_start_websocket() {
    local python=/usr/bin/python3 port plain certificate key
    [ -x "$python" ] || python=python3 # the package is for Debian's
    "$python" -c 'import websockets' 2>/dev/null || servers_missing=websockets
    [ -z "$servers_missing" ] && servers_need openssl || return 1
    servers_port
    plain=$port
    servers_port
    servers_certificate "$(id -un)"
    servers_launch websocket "$(id -un)" "$port" "$python" \
        "$servers_root/tests/libraries/websocket.py" "$plain" "$port" \
        "$certificate" "$key" || return 2
    server_of[websocket]=ws://127.0.0.1:$plain
    tls_server_of[websocket]="wss://127.0.0.1:$port $certificate"
}

# Debian has no MongoDB. This is a server in JavaScript that speaks its protocol;
# servers_install_mongo fetches it.
servers_mongo=$servers_root/build/mongo

servers_start_libmongoc() {
    local port
    servers_need node "$servers_mongo/package/package.json" || return 1
    servers_port
    servers_launch mongo "$(id -un)" "$port" node \
        "$servers_root/tests/libraries/mongo/server.mjs" \
        "$servers_mongo/package/dist_ts/congodb/index.js" "$port" || return 2
    servers_delayed "$port" || return 2
    server_of[libmongoc]=mongodb://127.0.0.1:$port/
}

# Its own dependencies are more than what this needs, and cannot be had.
servers_install_mongo() {
    local archive
    if [ -f "$servers_mongo/package/package.json" ]; then
        return 0
    fi
    servers_need node npm || return 1
    mkdir -p "$servers_mongo"
    cp "$servers_root/tests/libraries/mongo/package.json" "$servers_mongo"
    (
        cd "$servers_mongo" &&
            npm install --ignore-scripts --no-audit --no-fund &&
            archive=$(npm pack --silent @push.rocks/smartmongo@2.2.0) &&
            tar xzf "$archive"
    ) >"$servers_mongo/npm.log" 2>&1 || {
        rm -rf "$servers_mongo/package"
        echo "The MongoDB server could not be installed:" \
            "see $servers_mongo/npm.log" >&2
        return 1
    }
}

# glibc asks port 53 of whom /etc/resolv.conf names: that file is another one
# for the programs that `servers_with_names` starts.
servers_start_getaddrinfo() {
    local i address=127.0.53.$((1 + RANDOM % 250))
    servers_need unshare || return 1
    if ! unshare -m true 2>/dev/null; then
        servers_missing="the right to mount and to be port 53 (root)"
        return 1
    fi
    setpriv --pdeathsig TERM "$servers_programs/slow_dns" "$address:53" \
        >"$servers_run/dns" 2>&1 &
    servers_pids+=($!)
    for ((i = 0; i < 600; i++)); do
        [ ! -s "$servers_run/dns" ] || break
        sleep 0.05
    done
    grep -q '^listening' "$servers_run/dns" || {
        cat "$servers_run/dns" >&2
        return 2
    }
    printf 'nameserver %s\noptions timeout:20\n' "$address" \
        >"$servers_run/resolv.conf"
    server_of[getaddrinfo]=slow.example
}

# This shell becomes that command: call it in one of its own.
servers_with_names() { # command...
    if [ ! -e "$servers_run/resolv.conf" ]; then
        exec "$@"
    fi
    # shellcheck disable=SC2016
    exec unshare -m sh -c 'mount --bind "$0" /etc/resolv.conf && exec "$@"' \
        "$servers_run/resolv.conf" "$@"
}
