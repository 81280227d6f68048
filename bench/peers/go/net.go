// SPDX-License-Identifier: MIT

package main

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"strings"
)

// udpServer sends datagrams back, without an allocation for any of them.
func udpServer(port string) {
	address, err := net.ResolveUDPAddr("udp4", "127.0.0.1:"+port)
	if err != nil {
		panic(err)
	}
	socket, err := net.ListenUDP("udp4", address)
	if err != nil {
		panic(err)
	}
	buffer := make([]byte, 2048)
	for {
		n, from, err := socket.ReadFromUDPAddrPort(buffer)
		if err != nil {
			panic(err)
		}
		socket.WriteToUDPAddrPort(buffer[:n], from)
	}
}

var answer = []byte("HTTP/1.1 200 OK\r\nContent-Length: 64\r\n" +
	"Connection: close\r\n\r\n" + strings.Repeat("01234567", 8))

func answerOne(connection net.Conn) {
	var buffer [1024]byte
	n, err := connection.Read(buffer[:])
	if err == nil && bytes.HasSuffix(buffer[:n], []byte("\r\n\r\n")) {
		connection.Write(answer)
	}
	connection.Close()
}

// churnServer answers one request a connection.
func churnServer(port string) {
	listener, err := net.Listen("tcp", "127.0.0.1:"+port)
	if err != nil {
		panic(err)
	}
	for {
		connection, err := listener.Accept()
		if err != nil {
			panic(err)
		}
		go answerOne(connection)
	}
}

// eachConnection listens, and starts a goroutine for each connection.
func eachConnection(port string, talk func(*net.TCPConn)) {
	listener, err := net.Listen("tcp", "127.0.0.1:"+port)
	if err != nil {
		panic(err)
	}
	for {
		connection, err := listener.Accept()
		if err != nil {
			panic(err)
		}
		go talk(connection.(*net.TCPConn))
	}
}

// lineServer sends back each line, and what it has written when there is no
// other line to read.
func lineServer(port string) {
	eachConnection(port, func(connection *net.TCPConn) {
		defer connection.Close()
		reader := bufio.NewReaderSize(connection, 16384)
		writer := bufio.NewWriterSize(connection, 16384)
		for {
			line, err := reader.ReadSlice('\n')
			if err != nil {
				return
			}
			writer.Write(line)
			if reader.Buffered() == 0 {
				writer.Flush()
			}
		}
	})
}

// proxyServer passes on by io.Copy, which splices.
func proxyServer(port, target string) {
	eachConnection(port, func(client *net.TCPConn) {
		defer client.Close()
		c, err := net.Dial("tcp", "127.0.0.1:"+target)
		if err != nil {
			return
		}
		server := c.(*net.TCPConn)
		defer server.Close()
		go func() {
			io.Copy(client, server)
			client.CloseWrite()
		}()
		io.Copy(server, client)
		server.CloseWrite()
	})
}
