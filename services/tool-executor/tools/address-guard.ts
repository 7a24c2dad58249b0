// Which addresses tools may dial. Checked as they are dialled, after resolution: see web.ts, 1.
import { lookup as resolve } from 'node:dns'
import { isIP, type LookupFunction } from 'node:net'
import ipaddr from 'ipaddr.js'
import { buildConnector } from 'undici'

export const CONNECT_TIMEOUT_MS = 10_000

export class AddressRefused extends Error {
  override readonly name = 'AddressRefused'
}

/** Whether the address belongs to the public internet. */
export function isPublicAddress(address: string): boolean {
  return ipaddr.isValid(address) && ipaddr.process(address).range() === 'unicast'
}

function refusedAddress(host: string, address: string): AddressRefused {
  const at = host === address ? host : `${host} (${address})`
  return new AddressRefused(
    `${at} is not a public address; allow it with FLOTILLA_ALLOW_PRIVATE_HOSTS=${host} if that is meant`,
  )
}

const publicLookup: LookupFunction = (host, options, callback) => {
  resolve(host, { ...options, all: true }, (error, addresses) => {
    if (error) return callback(error, [])
    const refused = addresses.find(({ address }) => !isPublicAddress(address))
    if (refused) return callback(refusedAddress(host, refused.address), [])
    const [first] = addresses
    if (options.all || !first) return callback(null, addresses)
    return callback(null, first.address, first.family)
  })
}

/** `allowed`: hosts, `name` or `name:port`, that may be private; asked at each connection. */
export function guardedConnector(allowed: () => readonly string[]): buildConnector.connector {
  const guarded = buildConnector({ timeout: CONNECT_TIMEOUT_MS, lookup: publicLookup })
  const open = buildConnector({ timeout: CONNECT_TIMEOUT_MS })
  return (options, callback) => {
    const host = options.hostname.replace(/^\[|\]$/g, '').toLowerCase()
    const port = options.port || (options.protocol === 'https:' ? '443' : '80')
    if (allowed().some((name) => name === host || name === `${host}:${port}`)) return open(options, callback)
    // An address literal is dialled without a lookup.
    if (isIP(host) > 0 && !isPublicAddress(host)) return callback(refusedAddress(host, host), null)
    return guarded(options, callback)
  }
}
