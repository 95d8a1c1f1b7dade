// The table of bench/models.mjs for docs.

const COLLECTIONS = { scifact: 'SciFact', cranfield: 'Cranfield', 'cosqa-dev': 'CoSQA', 'xquad-en': 'XQuAD' }
/** In the order of the table; `kind` picks the number of a row. */
const LINES = [
  { model: 'BM25', label: 'BM25 (k1 0.9, b 0.4, stemmed)' },
  { model: 'wordllama, mean vector', label: 'wordllama 256, one mean vector a text' },
  { model: 'plain, mean vector', label: 'all-MiniLM-L6-v2, one mean vector a text' },
  { model: 'micro', label: '`micro`' },
  { model: 'micro', label: '`micro`, MUVERA `compact`, exact MaxSim of 100', of: 'muvera' },
  { model: 'small', label: '**`small`**' },
  { model: 'small', label: '`small`, MUVERA `compact`, exact MaxSim of 100', of: 'muvera' },
  { model: 'small', dtype: 'int8', label: "`small`, `dtype: 'int8'`" },
  { model: 'plain, MaxSim', label: 'all-MiniLM-L6-v2, MaxSim of all 384 numbers' },
]

export function modelsTable({ rows, machine, versions, date }, name) {
  const find = ({ model, dtype }, collection) =>
    rows.find(
      (row) => row.collection === collection && row.model === model && (dtype === undefined || row.dtype === dtype),
    )
  const measured = Object.keys(COLLECTIONS).filter((id) => rows.some(({ collection }) => collection === id))
  const lines = LINES.filter((line) => measured.some((id) => find(line, id))).map((line) => {
    const { megabytes, bytesPerToken } = measured.map((id) => find(line, id)).find((row) => row !== undefined)
    const { bytesPerDocument } = find(line, 'cranfield') ?? {}
    return [
      line.label,
      megabytes ? megabytes.toFixed(0) : '',
      bytesPerToken ? count(bytesPerToken) : '',
      bytesPerDocument ? count(bytesPerDocument) : '',
      ...measured.map((collection) => find(line, collection)?.[line.of ?? 'ndcg']?.toFixed(3) ?? ''),
    ]
  })
  const columns = ['', 'MB of model', 'bytes a token', 'bytes a document', ...measured.map((id) => COLLECTIONS[id])]
  const busy = machine.loadAverage > machine.cores ? `, busy with other work (load ${machine.loadAverage})` : ''
  const sizes = measured.map(
    (id) => `${COLLECTIONS[id]} ${count(rows.find(({ collection }) => collection === id).documents)}`,
  )
  return [
    ...[columns, columns.map((_, i) => (i < 1 ? '---' : '---:')), ...lines].map((row) => `| ${row.join(' | ')} |`),
    '',
    `nDCG@10. Bytes of int8 token vectors, a document of Cranfield; of a mean vector as float32. Documents: ${sizes.join(', ')}. ` +
      `${machine.cpu}, ${machine.cores} cores${busy}, Node ${versions.node}, ${date} ([result](bench/results/${name}.json)).`,
  ].join('\n')
}

const count = (value) => Math.round(value).toLocaleString('en-US')
