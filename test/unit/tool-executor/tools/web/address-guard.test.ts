import assert from 'node:assert/strict'
import { networkInterfaces } from 'node:os'
import { test } from 'node:test'
import { isPublicAddress } from '../../../../../services/tool-executor/tools/web/address-guard.ts'
import { createWeb } from '../../../../../services/tool-executor/tools/web/web.ts'

/** First and last address of each range of IANA's special registries, where a request must not go. */
const special4 = [
  ['0.0.0.0', '0.255.255.255'],
  ['10.0.0.0', '10.255.255.255'],
  ['100.64.0.0', '100.127.255.255'],
  ['127.0.0.0', '127.255.255.255'],
  ['169.254.0.0', '169.254.255.255'],
  ['172.16.0.0', '172.31.255.255'],
  ['192.0.0.0', '192.0.0.255'],
  ['192.0.2.0', '192.0.2.255'],
  ['192.88.99.0', '192.88.99.255'],
  ['192.168.0.0', '192.168.255.255'],
  ['198.18.0.0', '198.19.255.255'],
  ['198.51.100.0', '198.51.100.255'],
  ['203.0.113.0', '203.0.113.255'],
  ['224.0.0.0', '239.255.255.255'],
  ['240.0.0.0', '255.255.255.255'],
  ['168.63.129.16', '168.63.129.16'],
]
/** The neighbours of these ranges. */
const public4 = [
  '1.0.0.0',
  '9.255.255.255',
  '11.0.0.0',
  '100.63.255.255',
  '100.128.0.0',
  '126.255.255.255',
  '128.0.0.0',
  '169.253.255.255',
  '169.255.0.0',
  '172.15.255.255',
  '172.32.0.0',
  '191.255.255.255',
  '192.0.3.0',
  '192.88.98.255',
  '192.88.100.0',
  '192.167.255.255',
  '192.169.0.0',
  '198.17.255.255',
  '198.20.0.0',
  '198.51.99.255',
  '198.51.101.0',
  '203.0.112.255',
  '203.0.114.0',
  '223.255.255.255',
  '168.63.129.15',
  '168.63.129.17',
  '8.8.8.8',
  '93.184.216.34',
]
const special6 = [
  '::',
  '::1',
  '::2',
  '::7f00:1',
  '::a9fe:a9fe',
  '::127.0.0.1',
  '::8.8.8.8',
  '::ffff:0:127.0.0.1',
  '::ffff:0:0:1',
  '1::1',
  '100::1',
  '100:0:0:1::1',
  '64:ff9b::7f00:1',
  '64:ff9b::808:808',
  '64:ff9b:1::1',
  '1fff:ffff::1',
  '2001::1',
  '2001:0:ffff::1',
  '2001:1::1',
  '2001:2::1',
  '2001:3::1',
  '2001:4:112::1',
  '2001:5::1',
  '2001:10::1',
  '2001:1f:ffff::1',
  '2001:20::1',
  '2001:2f::1',
  '2001:30::1',
  '2001:1ff:ffff::1',
  '2001:db8::1',
  '2001:db8:ffff::1',
  '2002::1',
  '2002:7f00:1::',
  '2002:808:808::1',
  '2620:4f:8000::1',
  '3fff::1',
  '3fff:fff::1',
  '4000::',
  '4000::1',
  '5f00::1',
  '8000::1',
  'bfff::1',
  'e000::1',
  'fbff::1',
  'fc00::1',
  'fd00:ec2::254',
  'fdff::1',
  'fe00::1',
  'fe80::1',
  'fe80::1%lo',
  'febf::1',
  'fec0::1',
  'feff::1',
  'ff00::1',
  'ff02::1',
  'ffff::1',
  '2606:4700::1111%eth0',
]
const public6 = [
  '2000::1',
  '2001:200::1',
  '2001:db7:ffff::1',
  '2001:db9::1',
  '2003::1',
  '2606:4700::1111',
  '2620:4f:7fff::1',
  '2620:4f:8001::1',
  '2a00:1450:4001:81b::200e',
  '3ffe:ffff::1',
  '3fff:1000::1',
  '2001:4860:4860::8888',
]

test('every edge of the special ranges is refused, and its neighbours are not', () => {
  const mapped = (address: string) => [address, `::ffff:${address}`]
  const refused = [...special4.flat().flatMap(mapped), ...special6]
  const allowed = [...public4.flatMap(mapped), ...public6]
  assert.deepEqual(refused.filter(isPublicAddress), [])
  assert.deepEqual(
    allowed.filter((address) => !isPublicAddress(address)),
    [],
  )
  assert.ok(refused.length + allowed.length > 180)
})

test('every eighth of IPv6 but the one that is given out is refused, and forms that only some parsers read', () => {
  const firsts = Array.from({ length: 256 }, (_, n) => `${((n << 8) | 1).toString(16)}::1`)
  const open = firsts.filter(isPublicAddress).map((address) => parseInt(address, 16) >> 13)
  assert.deepEqual([...new Set(open)], [1])
  for (const text of [
    '0177.0.0.1',
    '0x7f.1',
    '127.1',
    '2130706433',
    '134744072',
    '8.8.8',
    '08.8.8.8',
    '',
    ' 8.8.8.8',
    'localhost',
  ])
    assert.equal(isPublicAddress(text), false, text)
})

const request = { maxBytes: 10, signal: AbortSignal.timeout(120_000) }
const denied = (web: ReturnType<typeof createWeb>, host: string) =>
  assert.rejects(web.fetch(`http://${host}:1/`, request), { code: 'TOOL_DENIED' }, host)
const dialled = (web: ReturnType<typeof createWeb>, host: string) =>
  assert.rejects(web.fetch(`http://${host}:1/`, request), { code: 'TOOL_TARGET_UNAVAILABLE' }, host)

test('this machine is refused by each of its addresses, in each way to write them', async () => {
  const own = Object.values(networkInterfaces()).flatMap((all) => all ?? [])
  const hosts = own.map(({ address, family }) => (family === 'IPv6' ? `[${address.split('%')[0]}]` : address))
  const written = [
    '0177.0.0.1',
    '2130706433',
    '0x7f.1',
    '127.1',
    '[::ffff:127.0.0.1]',
    '[::127.0.0.1]',
    '0',
    '①②⑦.0.0.1',
  ]
  for (const host of [...hosts, ...written])
    await denied(
      createWeb(() => []),
      host,
    )
})

test('an allowed host opens its port; without one all but those that stay closed', async () => {
  await dialled(
    createWeb(() => ['127.0.0.1']),
    '127.0.0.1',
  )
  await denied(
    createWeb(
      () => ['127.0.0.1'],
      () => ['1'],
    ),
    '127.0.0.1',
  )
  await dialled(
    createWeb(
      () => ['127.0.0.1:1'],
      () => ['1'],
    ),
    '127.0.0.1',
  )
  await denied(
    createWeb(() => ['127.0.0.1:2']),
    '127.0.0.1',
  )
  await dialled(
    createWeb(() => ['[::1]:1']),
    '[::1]',
  )
})
