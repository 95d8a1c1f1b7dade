import type { BinaryWriter } from '@bufbuild/protobuf/wire'

/** Element types of ONNX tensors (`TensorProto.DataType`). */
export const DataType = { float: 1, uint8: 2, int8: 3, int32: 6, int64: 7, bool: 9, float16: 10, bfloat16: 16 } as const

/** Name of a value in the graph: the output of one node and an input of others. */
export type Value = string
/** A size, or the name of a size known only at run time. */
export type Dim = number | string
/** Whole numbers are ONNX ints; floats are marked, since 1.0 and 1 look alike. */
export type Attribute = number | string | readonly number[] | { readonly float: number }
export type Attributes = Readonly<Record<string, Attribute>>

/** A byte range of a file, by its path relative to the external-data folder of the session. */
export interface ExternalData {
  readonly location: string
  readonly offset: number
  readonly length: number
}

interface Node {
  readonly type: string
  readonly domain: string
  readonly inputs: readonly (Value | undefined)[]
  readonly outputs: readonly Value[]
  readonly attributes: Attributes
}

interface Initializer {
  readonly name: Value
  readonly type: number
  readonly dims: readonly number[]
  readonly data: Uint8Array | ExternalData
}

interface Port {
  readonly name: Value
  readonly type: number
  readonly dims: readonly Dim[]
}

const OPSET = 21
const IR_VERSION = 10
const MICROSOFT = 'com.microsoft'

/** An ONNX model under construction. Field numbers: onnx.proto of ONNX 1.16, https://github.com/onnx/onnx. */
export class OnnxGraph {
  readonly #nodes: Node[] = []
  readonly #initializers = new Map<Value, Initializer>()
  readonly #inputs: Port[] = []
  readonly #outputs: Port[] = []

  input(name: Value, type: number, dims: readonly Dim[]): Value {
    this.#inputs.push({ name, type, dims })
    return name
  }

  /** Gives `value` a public name. */
  output(name: Value, value: Value, type: number, dims: readonly Dim[]): void {
    this.#add('Identity', '', [value], {}, [name])
    this.#outputs.push({ name, type, dims })
  }

  /** One node with one output. Inputs left undefined are optional ones that are not used. */
  op(type: string, inputs: readonly (Value | undefined)[], attributes: Attributes = {}): Value {
    return this.split(type, inputs, attributes, 1)[0]!
  }

  /** One node with several outputs. */
  split(type: string, inputs: readonly (Value | undefined)[], attributes: Attributes, outputs: number): Value[] {
    const id = `${type}_${this.#nodes.length}`
    return this.#add(
      type,
      '',
      inputs,
      attributes,
      Array.from({ length: outputs }, (_, i) => `${id}.${i}`),
    )
  }

  /** One node of ONNX Runtime's own operator set. */
  contrib(type: string, inputs: readonly (Value | undefined)[], attributes: Attributes = {}): Value {
    return this.#add(type, MICROSOFT, inputs, attributes, [`${type}_${this.#nodes.length}.0`])[0]!
  }

  /** A constant; a second one of the same name is taken to be the same. */
  constant(name: Value, type: number, dims: readonly number[], data: Uint8Array | ExternalData): Value {
    if (!this.#initializers.has(name)) this.#initializers.set(name, { name, type, dims, data })
    return name
  }

  floats(name: Value, dims: readonly number[], data: Float32Array): Value {
    return this.constant(name, DataType.float, dims, new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
  }

  scalar(value: number): Value {
    return this.floats(`float ${value}`, [], Float32Array.of(value))
  }

  /** A vector of int64. */
  ints(...values: number[]): Value {
    return this.#int64(`ints ${values.join(' ')}`, [values.length], values)
  }

  /** One int64, without dimensions. */
  int(value: number): Value {
    return this.#int64(`int ${value}`, [], [value])
  }

  /** The model as the bytes of a `.onnx` file. */
  async encode(): Promise<Uint8Array> {
    const { BinaryWriter } = await import('@bufbuild/protobuf/wire')
    const model = new BinaryWriter()
    varint(model, 1, IR_VERSION)
    text(model, 2, 'serotine')
    message(model, 7, (graph) => {
      for (const node of this.#nodes) message(graph, 1, (writer) => writeNode(writer, node))
      text(graph, 2, 'encoder')
      for (const tensor of this.#initializers.values()) message(graph, 5, (writer) => writeTensor(writer, tensor))
      for (const port of this.#inputs) message(graph, 11, (writer) => writePort(writer, port))
      for (const port of this.#outputs) message(graph, 12, (writer) => writePort(writer, port))
    })
    message(model, 8, (opset) => varint(opset, 2, OPSET))
    message(model, 8, (opset) => {
      text(opset, 1, MICROSOFT)
      varint(opset, 2, 1)
    })
    return model.finish()
  }

  #add(
    type: string,
    domain: string,
    inputs: readonly (Value | undefined)[],
    attributes: Attributes,
    outputs: Value[],
  ): Value[] {
    this.#nodes.push({ type, domain, inputs, outputs, attributes })
    return outputs
  }

  #int64(name: Value, dims: readonly number[], values: readonly number[]): Value {
    return this.constant(name, DataType.int64, dims, new Uint8Array(BigInt64Array.from(values, BigInt).buffer))
  }
}

function writeNode(writer: BinaryWriter, { type, domain, inputs, outputs, attributes }: Node): void {
  const used = inputs.findLastIndex((input) => input !== undefined) + 1
  for (const input of inputs.slice(0, used)) text(writer, 1, input ?? '')
  for (const output of outputs) text(writer, 2, output)
  text(writer, 3, outputs[0]!)
  text(writer, 4, type)
  for (const [name, value] of Object.entries(attributes))
    message(writer, 5, (attribute) => writeAttribute(attribute, name, value))
  if (domain) text(writer, 7, domain)
}

function writeAttribute(writer: BinaryWriter, name: string, value: Attribute): void {
  text(writer, 1, name)
  if (typeof value === 'number') {
    varint(writer, 3, value)
    varint(writer, 20, 2)
  } else if (typeof value === 'string') {
    text(writer, 4, value)
    varint(writer, 20, 3)
  } else if ('float' in value) {
    writer.tag(2, 5).float(value.float)
    varint(writer, 20, 1)
  } else {
    for (const item of value) varint(writer, 8, item)
    varint(writer, 20, 7)
  }
}

function writeTensor(writer: BinaryWriter, { name, type, dims, data }: Initializer): void {
  for (const dim of dims) varint(writer, 1, dim)
  varint(writer, 2, type)
  text(writer, 8, name)
  if (data instanceof Uint8Array) {
    writer.tag(9, 2).bytes(data)
    return
  }
  for (const [key, value] of Object.entries(data)) {
    message(writer, 13, (entry) => {
      text(entry, 1, key)
      text(entry, 2, String(value))
    })
  }
  varint(writer, 14, 1)
}

function writePort(writer: BinaryWriter, { name, type, dims }: Port): void {
  text(writer, 1, name)
  message(writer, 2, (typeProto) =>
    message(typeProto, 1, (tensor) => {
      varint(tensor, 1, type)
      message(tensor, 2, (shape) => {
        for (const dim of dims) {
          message(shape, 1, (size) => (typeof dim === 'number' ? varint(size, 1, dim) : text(size, 2, dim)))
        }
      })
    }),
  )
}

function varint(writer: BinaryWriter, field: number, value: number): void {
  writer.tag(field, 0).int64(value)
}

function text(writer: BinaryWriter, field: number, value: string): void {
  writer.tag(field, 2).string(value)
}

function message(writer: BinaryWriter, field: number, write: (writer: BinaryWriter) => void): void {
  writer.tag(field, 2).fork()
  write(writer)
  writer.join()
}
