/** Any JSON value: what an Avro string with logicalType `json` holds. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json }
