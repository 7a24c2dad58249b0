// Addresses that tools may connect to. Checked on connecting, after resolution: see web.ts, 1.
import { lookup as resolve } from 'node:dns'
import { isIP, type LookupFunction } from 'node:net'
import { networkInterfaces } from 'node:os'
import ipaddr from 'ipaddr.js'
import { buildConnector } from 'undici'

export const CONNECT_TIMEOUT_MS = 10_000

export class AddressRefused extends Error {
  override readonly name = 'AddressRefused'
}

/** Public by range, but answered by the machine's own cloud: Azure's wire server. */
const neverPublic = new Set(['168.63.129.16'])

/** Allocated range of IPv6 (RFC 4291); the rest is reserved, or means an IPv4 address, or this network. */
const globalUnicast = ipaddr.parseCIDR('2000::/3')
/**
 * Special addresses inside it, by IANA's registry: tunnels, translators, benchmarks, identifiers,
 * documentation.
 */
const special = ['2001::/23', '2001:db8::/32', '2002::/16', '2620:4f:8000::/48', '3fff::/20'].map((range) =>
  ipaddr.parseCIDR(range),
)

/**
 * Whether the address belongs to the public internet. IPv6 that stands for an IPv4 address counts as that
 * address.
 */
export function isPublicAddress(address: string): boolean {
  if (!ipaddr.isValid(address) || address.includes('%')) return false
  const parsed = ipaddr.process(inHex(address))
  if (parsed.range() !== 'unicast') return false
  if (parsed.kind() === 'ipv4') return isIP(address) > 0 && !neverPublic.has(parsed.toString())
  return parsed.match(globalUnicast) && !special.some((range) => parsed.match(range))
}

/** `::8.8.8.8` is not an IPv4 address to the system, although some parsers take it for one. */
const inHex = (address: string): string =>
  isIP(address) === 6 ? (URL.parse(`http://[${address}]`)?.hostname.slice(1, -1) ?? '::') : address

/**
 * Whether the address is this machine's, even a public one: its own servers trust it. Read each time: they
 * change.
 */
function isOwnAddress(address: string): boolean {
  const wanted = ipaddr.process(inHex(address)).toString()
  return Object.values(networkInterfaces()).some((all) =>
    all?.some((own) => ipaddr.process(own.address.split('%')[0] as string).toString() === wanted),
  )
}

const mayBeAsked = (address: string): boolean => isPublicAddress(address) && !isOwnAddress(address)

function refusedAddress(host: string, address: string): AddressRefused {
  const at = host === address ? host : `${host} (${address})`
  return new AddressRefused(
    `${at} is not a public address; allow it with FLOTILLA_ALLOW_PRIVATE_HOSTS=${host} if that is meant`,
  )
}

const publicLookup: LookupFunction = (host, options, callback) => {
  resolve(host, { ...options, all: true }, (error, addresses) => {
    if (error) return callback(error, [])
    const refused = addresses.find(({ address }) => !mayBeAsked(address))
    if (refused) return callback(refusedAddress(host, refused.address), [])
    const [first] = addresses
    if (options.all || !first) return callback(null, addresses)
    return callback(null, first.address, first.family)
  })
}

export interface Allowed {
  /** `name`, `name:port` or `[address]:port` that may be private. */
  readonly hosts: readonly string[]
  /** Ports that a name without a port does not open: the gateway's own. */
  readonly closedPorts?: readonly string[]
}

/** `allowed` is called at each connection. */
export function guardedConnector(allowed: () => Allowed): buildConnector.connector {
  const guarded = buildConnector({ timeout: CONNECT_TIMEOUT_MS, lookup: publicLookup })
  const open = buildConnector({ timeout: CONNECT_TIMEOUT_MS })
  return (options, callback) => {
    const host = options.hostname.replace(/^\[|\]$/g, '').toLowerCase()
    const port = options.port || (options.protocol === 'https:' ? '443' : '80')
    const { hosts, closedPorts = [] } = allowed()
    const isNamed = hosts.some((name) => [`${host}:${port}`, `[${host}]:${port}`].includes(name))
    const isOpen = hosts.some((name) => [host, `[${host}]`].includes(name)) && !closedPorts.includes(port)
    if (isNamed || isOpen) return open(options, callback)
    // A literal address is connected to without a lookup.
    if (isIP(host) > 0 && !mayBeAsked(host)) return callback(refusedAddress(host, host), null)
    return guarded(options, callback)
  }
}
