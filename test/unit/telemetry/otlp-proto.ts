// The part of OTLP that a request for traces has, for protobufjs: numbers and names as the protocol defines them.
import protobuf from 'protobufjs'

const source = `
syntax = "proto3";
message Request { repeated ResourceSpans resource_spans = 1; }
message ResourceSpans { Resource resource = 1; repeated ScopeSpans scope_spans = 2; }
message Resource { repeated KeyValue attributes = 1; }
message ScopeSpans { repeated Span spans = 2; }
message Span {
  bytes trace_id = 1;
  bytes span_id = 2;
  bytes parent_span_id = 4;
  string name = 5;
  int32 kind = 6;
  fixed64 start_time_unix_nano = 7;
  fixed64 end_time_unix_nano = 8;
  repeated KeyValue attributes = 9;
  repeated Event events = 11;
  repeated Link links = 13;
  Status status = 15;
}
message Event { fixed64 time_unix_nano = 1; string name = 2; repeated KeyValue attributes = 3; }
message Link { bytes trace_id = 1; bytes span_id = 2; repeated KeyValue attributes = 4; }
message Status { string message = 2; int32 code = 3; }
message KeyValue { string key = 1; AnyValue value = 2; }
message AnyValue {
  oneof value {
    string string_value = 1; bool bool_value = 2; int64 int_value = 3; double double_value = 4;
    ArrayValue array_value = 5; KeyValueList kvlist_value = 6; bytes bytes_value = 7;
  }
}
message ArrayValue { repeated AnyValue values = 1; }
message KeyValueList { repeated KeyValue values = 1; }
`

const Request = protobuf.parse(source).root.lookupType('Request')

/** The same shape as OTLP's JSON: numbers of 64 bits as texts, ids as hexadecimal digits. */
export function decodeRequest(body: Buffer): unknown {
  const plain = Request.toObject(Request.decode(body), { longs: String, bytes: Array, arrays: true })
  return withHexIds(plain)
}

function withHexIds(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withHexIds)
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).map(([name, item]) => {
    const isId = /^(traceId|spanId|parentSpanId)$/.test(name) && Array.isArray(item)
    return [name, isId ? Buffer.from(item as number[]).toString('hex') : withHexIds(item)]
  })
  return Object.fromEntries(entries)
}
