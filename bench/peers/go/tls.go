// SPDX-License-Identifier: MIT

package main

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"net"
	"os"
)

const chunk = 64 * 1024

func sendBody(connection net.Conn, body *os.File, length int64) error {
	buffer := make([]byte, chunk)
	_, err := fmt.Fprintf(connection,
		"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", length)
	for at := int64(0); err == nil && at < length; {
		var n int
		n, err = body.ReadAt(buffer, at)
		if err == nil {
			_, err = connection.Write(buffer[:n])
		}
		at += int64(n)
	}
	return err
}

// serveTLS sends the body after each empty line.
func serveTLS(connection net.Conn, body *os.File, length int64) {
	defer connection.Close()
	reader := bufio.NewReader(connection)
	for {
		line, err := reader.ReadString('\n')
		if err != nil {
			return
		}
		if line == "\r\n" && sendBody(connection, body, length) != nil {
			return
		}
	}
}

func tlsServer(port, folder string) {
	certificate, err := tls.LoadX509KeyPair(folder+"/certificate.pem",
		folder+"/key.pem")
	if err != nil {
		panic(err)
	}
	body, err := os.Open(folder + "/body")
	if err != nil {
		panic(err)
	}
	info, err := body.Stat()
	if err != nil {
		panic(err)
	}
	// Records as large as they may be from the first byte on, as of the others.
	listener, err := tls.Listen("tcp", "127.0.0.1:"+port, &tls.Config{
		Certificates:                []tls.Certificate{certificate},
		DynamicRecordSizingDisabled: true,
	})
	if err != nil {
		panic(err)
	}
	for {
		connection, err := listener.Accept()
		if err != nil {
			panic(err)
		}
		go serveTLS(connection, body, info.Size())
	}
}
