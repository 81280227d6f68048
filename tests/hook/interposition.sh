#!/bin/sh
# SPDX-License-Identifier: MIT
#
# interposition.sh SOURCE BUILD SCRATCH CC LIBRARIES - programs that
# are linked to the hooks in every way there is, where the linker and the
# dynamic linker decide whether a client library's calls reach them, and whether
# co_hook_enable says so.
set -eu

source=$1 build=$2 scratch=$3 cc=$4 libraries=$5
here=$source/tests/hook/interposition
failed=0

rm -rf "$scratch"
mkdir -p "$scratch"
cd "$scratch"
plain_flags="-g -std=gnu11 -D_GNU_SOURCE -I$source/include"
flags="$plain_flags -L$scratch -L$build -Wl,-rpath,$scratch:$build"
flags="$flags -Wl,--disable-new-dtags"
hook="-lcoppice-hook -lcoppice"
unset LD_PRELOAD COPPICE_HOOK COPPICE_HOOK_TRACE
echo 'int main(void) { return 0; }' >empty.c

$cc $flags -fPIC -shared -o libclient.so "$here/client.c"
$cc $flags -fPIC -shared -o libwrap.so "$here/wrap.c" $hook

# make NAME FLAGS...: the program, as it is linked.
make() {
    name=$1
    shift
    $cc $flags -o "$name" "$here/program.c" "$@"
}

# says WHAT COMMAND...: its line begins, or ends, with that.
says() {
    want=$1
    shift
    got=$(env "$@" 2>&1) || got="$got (status $?)"
    case $got in
    $want) ;;
    *)
        echo "$*: \"$got\" instead of \"$want\""
        failed=1
        ;;
    esac
}

# "-lX-hook anywhere in the executable's own NEEDED before libc: yes;
# LD_BIND_NOW too"
make first $hook -lclient
says 'on parks' ./first
says 'on parks' LD_BIND_NOW=1 ./first
make after_client -lclient $hook
says 'on parks' ./after_client

# Formatted calls, by the names that headers and compilers give them
$cc $flags -DCLIENT_STDIO -fPIC -shared -o libformatted.so "$here/client.c"
$cc $flags -DCLIENT_STDIO -O2 -D_FORTIFY_SOURCE=2 -fPIC -shared \
    -o libchecked.so "$here/client.c"
for client in formatted checked; do
    make $client $hook -l$client
    says 'on parks' COPPICE_HOOK_TRACE=trace ./$client
    case $client in
    formatted) prints="fprintf dprintf" ;;
    checked) prints="__fprintf_chk __dprintf_chk" ;;
    esac
    for name in $prints; do
        grep -q "^lib$client.so  *$name  *1  *1 " trace || {
            echo "$name of $client did not reach the hooks:"
            cat trace
            failed=1
        }
    done
    grep -q "^lib$client.so  *[a-z0-9_]*fscanf  *1  *1  *1 " trace || {
        echo "fscanf of $client did not park:"
        cat trace
        failed=1
    }
done

# "after an explicit -lc: no", and LD_PRELOAD mends it
make after_libc -lclient -Wl,--no-as-needed -lc $hook
says 'off: * is bound to libc.so.6: * blocks' ./after_libc
says 'on parks' LD_PRELOAD=libcoppice-hook.so ./after_libc

# "--as-needed, nothing referenced: no, dropped": who calls co_hook_enable does
# reference it
make as_needed -Wl,--as-needed $hook -lclient
says 'on parks' ./as_needed
make dropped -DENABLE_BY_ENVIRONMENT -Wl,--as-needed $hook -lclient
says 'on blocks' COPPICE_HOOK=1 ./dropped
make kept -DENABLE_BY_ENVIRONMENT -Wl,--no-as-needed $hook -lclient
says 'on parks' COPPICE_HOOK=1 ./kept
says 'on blocks' COPPICE_HOOK=0 ./kept
says 'on blocks' ./kept

# "hook only a dependency of another library: no", and LD_PRELOAD mends it
make dependency -DENABLE_BY_WRAP -lwrap -lclient -lcoppice
says 'off: * is bound to libc.so.6: * blocks' ./dependency
says 'on parks' LD_PRELOAD=libcoppice-hook.so ./dependency

# "LD_PRELOAD: yes"
make plain -DENABLE_BY_ENVIRONMENT -lclient -lcoppice
says 'on blocks' ./plain
says 'on parks' COPPICE_HOOK=1 LD_PRELOAD=libcoppice-hook.so ./plain

# An allocator that locks, as jemalloc does, is called by the dynamic linker while
# it looks for what is behind the hooks
cat >allocator.c <<'END'
#include <pthread.h>
#include <stddef.h>
extern void *__libc_malloc(size_t size);
void *malloc(size_t size)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&lock);
    void *memory = __libc_malloc(size);
    pthread_mutex_unlock(&lock);
    return memory;
}
END
$cc $flags -fPIC -shared -o liballocator.so allocator.c
says 'on parks' COPPICE_HOOK=1 \
    LD_PRELOAD="libcoppice-hook.so liballocator.so" ./plain
make allocator $hook -lclient -L. -Wl,--no-as-needed -lallocator
says 'on parks' ./allocator

# "dlopen(RTLD_GLOBAL) at run time: no"
make opened -DENABLE_BY_DLOPEN -lclient -lcoppice -ldl
says 'off: * is bound to libc.so.6: * blocks' ./opened

# "hook .o or --whole-archive .a in the executable, without -rdynamic: yes"
make archive -Wl,--whole-archive "$build/libcoppice-hook.a" \
    -Wl,--no-whole-archive -lclient -lcoppice
says 'on parks' ./archive

# A static glibc: the linker says that it cannot be, and of what it
# cannot tell, the program does
static="$build/libcoppice-hook.a $build/libcoppice.a $libraries"
for linker in -fuse-ld=bfd -fuse-ld=lld; do
    $cc $linker -static -o empty empty.c 2>/dev/null || continue
    if $cc $plain_flags $linker -static -o static "$here/program.c" "$here/client.c" \
        $static >static.log 2>&1 ||
        ! grep -q '_DYNAMIC' static.log ||
        ! grep -q 'a_static_program_cannot_be_hooked' static.log; then
        echo "-static is not refused for what it is:"
        cat static.log
        failed=1
    fi
done
if $cc -static-pie -fPIE -o empty empty.c 2>/dev/null && ./empty; then
    $cc $plain_flags -static-pie -fPIE -o static_pie "$here/program.c" \
        "$here/client.c" $static 2>/dev/null
    says '*a static program cannot be hooked*(status 127)' ./static_pie
fi

# "--wrap with libpq.so: no (0 calls); only for objects in the link": a wrapped
# call of the library's is the C library's all the same
cat >wrapped.c <<'END'
#include <unistd.h>
int wrapped;
ssize_t __wrap_read(int fd, void *buffer, size_t len);
ssize_t __real_read(int fd, void *buffer, size_t len);
ssize_t __wrap_read(int fd, void *buffer, size_t len)
{
    wrapped++;
    return __real_read(fd, buffer, len);
}
END
make wrap_option -DENABLE_BY_ENVIRONMENT wrapped.c -Wl,--wrap=read -lclient \
    -lcoppice
says 'on blocks' ./wrap_option

# "client library dlopen'ed: yes; RTLD_DEEPBIND or dlmopen: no", which nobody
# can tell from outside
make client_opened '-DCLIENT_OPEN=dlopen(CLIENT,RTLD_NOW)' $hook -ldl
says 'on parks' ./client_opened
make client_deep '-DCLIENT_OPEN=dlopen(CLIENT,RTLD_NOW|RTLD_DEEPBIND)' $hook \
    -ldl
says 'on blocks' ./client_deep
make client_apart '-DCLIENT_OPEN=dlmopen(LM_ID_NEWLM,CLIENT,RTLD_NOW)' $hook \
    -ldl
says 'on blocks' ./client_apart

# ASan: its functions stand ahead of a shared library's, and it
# refuses LD_PRELOAD; the archive in the executable stands ahead of them
export ASAN_OPTIONS=detect_leaks=0
if $cc -fsanitize=address -o empty empty.c 2>/dev/null && ./empty; then
    make asan_shared -fsanitize=address $hook -lclient
    says 'off: * blocks' ./asan_shared
    # clang's run time is in the program, and comes first.
    case $(ldd ./asan_shared) in
    *libasan*) first='*ASan runtime does not come first*' ;;
    *) first='off: * is bound to asan_shared: * blocks' ;;
    esac
    says "$first" LD_PRELOAD=libcoppice-hook.so ./asan_shared
    make asan_archive -fsanitize=address -Wl,--whole-archive \
        "$build/libcoppice-hook.a" -Wl,--no-whole-archive -lclient -lcoppice
    says 'on parks' ./asan_archive
fi

# COPPICE_HOOK_TRACE: who called what, how often, in a task, and parked
says 'on parks' COPPICE_HOOK_TRACE=trace ./first
awk '$1 == "libclient.so" && $2 == "read" && $3 == 1 && $4 == 1 && $5 == 1 &&
     $6 > 0 { found = 1 } END { exit !found }' trace || {
    echo "the trace does not tell of the client's read:"
    cat trace
    failed=1
}
says 'on blocks' COPPICE_HOOK_TRACE=trace ./kept
awk '$1 == "libclient.so" && $2 == "read" && $3 == 1 && $4 == 0 && $5 == 0 {
     found = 1 } END { exit !found }' trace || {
    echo "the trace of what is not enabled tells of the wrong:"
    cat trace
    failed=1
}
says 'on parks' COPPICE_HOOK_TRACE=/nowhere/trace ./first

exit $failed
