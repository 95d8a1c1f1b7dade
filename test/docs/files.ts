/**
 * What the programs and commands of a page find in their folder: name → path from the root of the repository. Every name
 * stands in the page.
 */
export const FILES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'README.md': { docs: 'test/cli/fixtures/library' },
  'packages/cli/README.md': { docs: 'test/cli/fixtures/library' },
  'docs/index.md': { docs: 'test/cli/fixtures/library' },
  'docs/getting-started.md': { library: 'test/cli/fixtures/library' },
  'docs/chunking.md': { library: 'test/cli/fixtures/library' },
  'docs/mcp.md': { docs: 'test/cli/fixtures/library' },
  'docs/evaluation.md': { 'my-collection': 'test/fixtures/beir-mini' },
  'docs/server.md': { library: 'test/cli/fixtures/library' },
  'docs/models.md': { 'my-colbert': 'packages/model-micro/model' },
  'docs/cli.md': {
    library: 'test/cli/fixtures/library',
    'texts.jsonl': 'test/cli/fixtures/library/facts.jsonl',
    'my-colbert': 'test/golden/pylate/bert-tiny/model',
    bert: 'test/golden/pylate/plain-tiny/model',
    'head.safetensors': 'test/golden/pylate/plain-tiny/projection.safetensors',
  },
}
