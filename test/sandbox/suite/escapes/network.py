# Connections to servers of the host.

# == a socket
import socket
socket.socket().connect(('127.0.0.1', PORT))

# == _socket
import _socket
_socket.socket(_socket.AF_INET, _socket.SOCK_STREAM).connect(('127.0.0.1', PORT))

# == create_connection
import socket
socket.create_connection(('localhost', PORT), 2)

# == an address of all zeros
import socket
socket.create_connection(('0.0.0.0', PORT), 2)

# == connect_ex without waiting
import socket, time
s = socket.socket()
s.setblocking(False)
s.connect_ex(('127.0.0.1', PORT))

# == a datagram
import socket
socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', UDP))

# == a socket of the file system
import socket
socket.socket(socket.AF_UNIX).connect(UNIX)

# == urllib
import urllib.request
urllib.request.urlopen(f'http://127.0.0.1:{PORT}/', timeout=2).read()

# == http.client
import http.client
http.client.HTTPConnection('127.0.0.1', PORT, timeout=2).request('GET', '/')

# == ftplib
import ftplib
ftplib.FTP(timeout=1).connect('127.0.0.1', PORT)

# == smtplib
import smtplib
smtplib.SMTP(timeout=1).connect('127.0.0.1', PORT)

# == poplib
import poplib
poplib.POP3('127.0.0.1', PORT, 1)

# == imaplib
import imaplib
imaplib.IMAP4('127.0.0.1', PORT, 1)

# == xmlrpc
import xmlrpc.client
xmlrpc.client.ServerProxy(f'http://127.0.0.1:{PORT}/').x()

# == asyncio
import asyncio
async def main(): await asyncio.open_connection('127.0.0.1', PORT)
asyncio.run(main())

# == asyncio's datagrams
import asyncio
async def main():
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(asyncio.DatagramProtocol, remote_addr=('127.0.0.1', UDP))
    transport.sendto(b'x')
asyncio.run(main())

# == asyncio's own loop
import asyncio
from asyncio.selector_events import BaseSelectorEventLoop
loop = BaseSelectorEventLoop()
loop.run_until_complete(loop.create_connection(asyncio.Protocol, '127.0.0.1', PORT))

# == a log handler by TCP
import logging.handlers, pickle
handler = logging.handlers.SocketHandler('127.0.0.1', PORT)
handler.handle(logging.makeLogRecord({'msg': 'x'}))

# == a log handler by UDP
import logging.handlers
handler = logging.handlers.DatagramHandler('127.0.0.1', UDP)
handler.handle(logging.makeLogRecord({'msg': 'x'}))

# == a log handler by syslog
import logging.handlers
handler = logging.handlers.SysLogHandler(('127.0.0.1', UDP))
handler.handle(logging.makeLogRecord({'msg': 'x'}))

# == a log handler by HTTP
import logging.handlers
handler = logging.handlers.HTTPHandler(f'127.0.0.1:{PORT}', '/')
handler.getConnection(f'127.0.0.1:{PORT}', False).connect()

# == multiprocessing's client
import multiprocessing.connection
multiprocessing.connection.SocketClient(('127.0.0.1', PORT))

# == an external DTD
import xml.sax, xml.sax.handler, io
parser = xml.sax.make_parser()
parser.setFeature(xml.sax.handler.feature_external_ges, True)
parser.parse(io.StringIO(f'<!DOCTYPE d [<!ENTITY e SYSTEM "http://127.0.0.1:{PORT}/">]><d>&e;</d>'))

# == the shell's own
import subprocess
subprocess.run(['bash', '-c', f'echo > /dev/tcp/127.0.0.1/{PORT}'], check=True)

# == raw system calls
import ctypes, socket, struct
libc = ctypes.CDLL(None)
fd = libc.socket(2, 1, 0)
address = struct.pack('=H', 2) + struct.pack('>H', PORT) + socket.inet_aton('127.0.0.1') + bytes(8)
libc.connect(fd, address, 16)
