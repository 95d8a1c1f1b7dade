// Files that were once read wrongly, with what is right.
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { readTexts } from '../../../../packages/cli/src/index.js'
import type { TextDocument } from '../../../../packages/cli/src/index.js'

const root = fileURLToPath(new URL('../../fixtures/texts', import.meta.url))

async function read(path: string, maxTokens: number): Promise<TextDocument[]> {
  const documents: TextDocument[] = []
  for await (const document of readTexts([`${root}/${path}`], { root, maxTokens })) documents.push(document)
  return documents
}
const texts = (documents: readonly TextDocument[]): string[] => documents.map(({ text }) => text)

describe('HTML files', () => {
  it('keep the words of each block, row, item and control apart', async () => {
    expect(texts(await read('html-glued/page.html', 1000))).toEqual([
      [
        'timeout\nSeconds to wait.\nretries\nHow often.',
        'More colours\nRed and green',
        'Pump diagram',
        'Afterwards',
        '- Cut\n- Copy',
        'Small\nLarge\nSave Cancel',
        'Size\nChoose',
        'Prices 2024\nItem\tPrice\nTea\t3',
      ].join('\n\n'),
    ])
  })

  it('may claim cells of any width', async () => {
    expect(texts(await read('html-span/page.html', 1000))).toEqual(['wide\tb\n\nneedle'])
  })

  it('are not named by the title of a drawing', async () => {
    const [document] = await read('html-title/svg.html', 1000)
    expect(document!.metadata.title).toBeUndefined()
    expect(document!.text).toBe('# Harbour\n\nBoats leave at noon.')
  })

  it('have no front matter', async () => {
    expect(texts(await read('html-front-matter/page.html', 1000))).toEqual([
      '---\n\nThe first section about boats.\n\n---\n\nThe second section.',
    ])
  })
})

describe('Markdown files', () => {
  it('keep prose between two rules', async () => {
    const documents = await read('md-front-matter/rule.md', 1000)
    expect(texts(documents).join('\n\n')).toContain('The lighthouse keeper wrote about storms.')
    expect(documents[0]!.metadata.title).toBe('Welcome')
  })

  it.each([
    ['folded', 'How to moor a boat'],
    ['quoted', "The harbour's rules"],
  ])('take the title from YAML: %s', async (name, title) => {
    const documents = await read(`md-front-matter/${name}.md`, 1000)
    expect(documents.map(({ metadata }) => metadata.title)).toEqual([title])
    expect(documents[0]!.text).not.toContain('---')
  })

  it('take three backticks in a line for code in the line', async () => {
    const documents = await read('md-fence/inline.md', 12)
    expect(documents.at(-1)).toMatchObject({
      text: '## Deploy\n\nCopy the folder.',
      metadata: { heading: 'Guide › Deploy' },
    })
  })

  it('have no headings in comments', async () => {
    const documents = await read('md-html-block/comment.md', 8)
    expect(documents.at(-1)).toMatchObject({ text: 'Sailing is fun.', metadata: { heading: 'Guide' } })
  })
})
