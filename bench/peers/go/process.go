// SPDX-License-Identifier: MIT

package main

import (
	"os/exec"
	"sync"
)

const runners = 8

// runPrograms has goroutines start a program that does nothing, and wait for it.
func runPrograms(count int64) {
	var all sync.WaitGroup
	left := count
	for i := 0; i < runners; i++ {
		all.Add(1)
		go func() {
			for left > 0 {
				left--
				if err := exec.Command("/bin/true").Run(); err != nil {
					panic(err)
				}
			}
			all.Done()
		}()
	}
	all.Wait()
}

func spawnProcess(clock func() int64) float64 {
	n := scaled(4000, 400)
	runPrograms(n / 10)
	start := clock()
	runPrograms(n)
	return float64(clock()-start) / float64(n)
}
