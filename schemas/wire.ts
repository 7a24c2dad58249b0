// What the generated converters of events need of Avro's bytes (generated/wire.ts). Either throws at anything that is
// not plain: the general codec then says what is wrong, or takes it nevertheless.
import type { Json } from './json.ts'

export interface WireOutput {
  /** False: null was written. True: the value follows. */
  some<T>(value: T | null): value is T
  string(value: string): void
  /** One of the texts that are allowed. */
  oneOf(value: string, allowed: readonly string[]): void
  int(value: number): void
  long(value: number): void
  double(value: number): void
  boolean(value: boolean): void
  bytes(value: Uint8Array): void
  json(value: Json): void
  /** As `json`, with null and undefined as null. */
  someJson(value: Json): void
  array<T>(items: readonly T[], item: (value: T) => void): void
  map<T>(entries: Readonly<Record<string, T>>, item: (value: T) => void): void
}

export interface WireInput {
  /** False: it is null. True: the value follows. */
  some(): boolean
  string(): string
  int(): number
  long(): number
  double(): number
  boolean(): boolean
  bytes(): Uint8Array
  json(): Json
  array<T>(item: () => T): T[]
  map<T>(item: () => T): Record<string, T>
}
