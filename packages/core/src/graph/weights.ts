import { realpathSync } from 'node:fs'
import { dirname, parse, relative, sep } from 'node:path'
import type { Tensors } from '../checkpoint/types.js'
import { DataType } from './onnx.js'
import type { OnnxGraph, Value } from './onnx.js'

/** ONNX types of safetensors types, and bytes per number. */
const STORED: Readonly<Record<string, readonly [type: number, bytes: number]>> = {
  F32: [DataType.float, 4],
  F16: [DataType.float16, 2],
  BF16: [DataType.bfloat16, 2],
}

/** Weight files as a session sees them: one folder, and each file's path below it. */
export interface ExternalFiles {
  readonly folder: string
  location(file: string): string | undefined
}

/**
 * Finds the deepest folder that holds all files. ONNX Runtime refuses external data whose real path leaves that folder,
 * and Hub caches are symlinks into `../../blobs`, so the real paths are used. Files on another drive have no location.
 */
export function externalFiles(files: readonly string[]): ExternalFiles | undefined {
  const real = new Map(files.map((file) => [file, realpathSync(file)]))
  const [first, ...others] = real.values()
  if (first === undefined) return undefined
  const { root } = parse(first)
  const inside = (folder: string, file: string) => file.startsWith(folder.endsWith(sep) ? folder : folder + sep)
  let folder = dirname(first)
  while (folder !== root && !others.filter((file) => parse(file).root === root).every((file) => inside(folder, file)))
    folder = dirname(folder)
  return {
    folder,
    location: (file) => {
      const path = real.get(file)
      return path !== undefined && inside(folder, path) ? relative(folder, path).split(sep).join('/') : undefined
    },
  }
}

/** Puts checkpoint tensors into a graph as fp32 values: by reference to the file where possible, else as a copy. */
export class GraphWeights {
  /** Locations the graph refers to. */
  readonly locations = new Set<string>()

  constructor(
    readonly graph: OnnxGraph,
    readonly files: ExternalFiles | undefined,
  ) {}

  put(tensors: Tensors, name: string): Value {
    const { dtype, shape, file, begin, end } = tensors.info(name)
    const stored = STORED[dtype]
    const location = file === undefined ? undefined : this.files?.location(file)
    const id = `${location ?? tensors.name}#${name}`
    // A range that is not aligned to its element size cannot be mapped.
    if (stored === undefined || location === undefined || begin % stored[1] !== 0)
      return this.graph.floats(id, shape, tensors.f32(name))
    this.locations.add(location)
    const constant = this.graph.constant(id, stored[0], shape, { location, offset: begin, length: end - begin })
    // ONNX Runtime folds this Cast when it loads the model.
    return dtype === 'F32' ? constant : this.graph.op('Cast', [constant], { to: DataType.float })
  }
}
