// SPDX-License-Identifier: MIT

// Go, with one processor as the others have. "go_bench ROW [DIVISOR]" measures
// a row; "go_bench echo PORT" serves, "go_bench tls PORT FOLDER" over TLS, and
// "go_bench udp PORT", "go_bench churn PORT", "go_bench line PORT" and
// "go_bench proxy PORT TARGET" the rows of these names.
package main

import (
	"context"
	"fmt"
	"math/rand"
	"net"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	batch  = 1000
	sleeps = 2
)

var divisor int64 = 1

func cpu() int64 {
	var r syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &r)
	return r.Utime.Nano() + r.Stime.Nano()
}

// memory tells the resident memory and page tables, in bytes.
func memory() int64 {
	var sum int64
	status, _ := os.ReadFile("/proc/self/status")
	for _, line := range strings.Split(string(status), "\n") {
		f := strings.Fields(line)
		if len(f) == 3 && (f[0] == "VmRSS:" || f[0] == "VmPTE:") {
			kib, _ := strconv.ParseInt(f[1], 10, 64)
			sum += kib * 1024
		}
	}
	return sum
}

func scaled(count, least int64) int64 {
	if count /= divisor; count < least {
		return least
	}
	return count
}

func yields(tasks int64) float64 {
	var started, start, end int64
	var all sync.WaitGroup
	total := scaled(10000000, 20*tasks)
	left := total
	for i := int64(0); i < tasks; i++ {
		all.Add(1)
		go func() {
			started++
			if started == tasks {
				start = cpu()
			}
			for started < tasks {
				runtime.Gosched()
			}
			for left > 0 {
				left--
				runtime.Gosched()
			}
			if end == 0 {
				end = cpu()
			}
			all.Done()
		}()
	}
	all.Wait()
	return float64(end-start) / float64(total)
}

func spawnJoin() float64 {
	n := scaled(3000000, 200000)
	done := make(chan struct{})
	start := cpu()
	for i := int64(0); i < n; i++ {
		go func() { done <- struct{}{} }()
		<-done
	}
	return float64(cpu()-start) / float64(n)
}

func spawnBatch() float64 {
	n := scaled(3000000, 200000)
	var all sync.WaitGroup
	start := cpu()
	for i := int64(0); i < n; i += batch {
		all.Add(batch)
		for k := 0; k < batch; k++ {
			go all.Done()
		}
		all.Wait()
	}
	return float64(cpu()-start) / float64(n)
}

func parked(tasks int64) float64 {
	never := make(chan struct{})
	before := memory()
	for i := int64(0); i < tasks; i++ {
		go func() { <-never }()
		runtime.Gosched()
	}
	return float64(memory()-before) / float64(tasks)
}

func timers(tasks int64) float64 {
	var all, ready sync.WaitGroup
	gate := make(chan struct{})
	for i := int64(0); i < tasks; i++ {
		all.Add(1)
		ready.Add(1)
		go func() {
			ready.Done()
			<-gate
			for k := 0; k < sleeps; k++ {
				time.Sleep(time.Duration(rand.Intn(1000)) * time.Millisecond)
			}
			all.Done()
		}()
	}
	ready.Wait()
	runtime.Gosched()
	start := cpu()
	close(gate)
	all.Wait()
	return float64(cpu()-start) / float64(tasks*sleeps)
}

var workDone int

//go:noinline
func work() { workDone++ }

func timeoutScope() float64 {
	n := scaled(1000000, 100000)
	start := cpu()
	for i := int64(0); i < n; i++ {
		_, cancel := context.WithTimeout(context.Background(), time.Second)
		work()
		cancel()
	}
	return float64(cpu()-start) / float64(n)
}

// serve keeps a small buffer, as a server with many idle clients would.
func serve(connection net.Conn) {
	defer connection.Close()
	buffer := make([]byte, 64)
	for {
		n, err := connection.Read(buffer)
		if err != nil {
			return
		}
		if _, err = connection.Write(buffer[:n]); err != nil {
			return
		}
	}
}

func echo(port string) {
	listener, err := net.Listen("tcp", "127.0.0.1:"+port)
	if err != nil {
		panic(err)
	}
	for {
		connection, err := listener.Accept()
		if err != nil {
			panic(err)
		}
		go serve(connection)
	}
}

func number(row string) int64 {
	digits := row[strings.LastIndex(row, "_")+1:]
	digits = strings.Replace(digits, "k", "000", 1)
	digits = strings.Replace(digits, "m", "000000", 1)
	n, _ := strconv.ParseInt(digits, 10, 64)
	return n
}

func main() {
	runtime.GOMAXPROCS(1)
	row := os.Args[1]
	if row == "tls" {
		tlsServer(os.Args[2], os.Args[3])
	}
	if row == "udp" {
		udpServer(os.Args[2])
	}
	if row == "churn" {
		churnServer(os.Args[2])
	}
	if row == "line" {
		lineServer(os.Args[2])
	}
	if row == "proxy" {
		proxyServer(os.Args[2], os.Args[3])
	}
	if row == "echo" {
		echo(os.Args[2])
	}
	if len(os.Args) > 2 {
		divisor, _ = strconv.ParseInt(os.Args[2], 10, 64)
	}
	var value float64
	switch {
	case strings.HasPrefix(row, "yield"):
		value = yields(number(row))
	case row == "spawn_join":
		value = spawnJoin()
	case row == "spawn_batch":
		value = spawnBatch()
	case strings.HasPrefix(row, "memory"):
		value = parked(number(row))
	case strings.HasPrefix(row, "timers"):
		value = timers(number(row))
	case row == "timeout_scope":
		value = timeoutScope()
	default:
		measure, known := syncRows[row]
		if !known {
			os.Exit(2)
		}
		value = measure()
	}
	fmt.Printf("R %s %.3f\n", row, value)
}
