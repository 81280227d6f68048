// SPDX-License-Identifier: MIT

package main

import (
	"math/rand"
	"os"
	"sync"
)

const (
	block   = 4096
	blocks  = 4096
	readers = 64
)

// blockFile makes the file, which has no name any more.
func blockFile() *os.File {
	file, err := os.CreateTemp("/var/tmp", "coppice-bench-")
	if err != nil {
		panic(err)
	}
	os.Remove(file.Name())
	file.Write(make([]byte, block*blocks))
	file.Sync()
	return file
}

// readBlocks has goroutines read blocks at random: all that one processor runs.
func readBlocks(file *os.File, reads int64) {
	var all sync.WaitGroup
	left := reads
	for i := int64(0); i < readers; i++ {
		all.Add(1)
		random := rand.New(rand.NewSource(i))
		go func() {
			buffer := make([]byte, block)
			for left > 0 {
				left--
				at := int64(random.Intn(blocks)) * block
				if n, _ := file.ReadAt(buffer, at); n != block {
					panic("short read")
				}
			}
			all.Done()
		}()
	}
	all.Wait()
}

func fileRead(clock func() int64) float64 {
	file := blockFile()
	n := scaled(200000, 20000)
	readBlocks(file, n/10)
	start := clock()
	readBlocks(file, n)
	return float64(clock()-start) / float64(n)
}
