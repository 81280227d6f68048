// SPDX-License-Identifier: MIT

package main

import (
	"bytes"
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
