'use client'

import { useState } from 'react'
import type { ChangeEvent } from 'react'

/** Sends files of text to be searched, too. */
export function AddFiles() {
  const [said, setSaid] = useState('')

  async function add({ target }: ChangeEvent<HTMLInputElement>) {
    for (const file of target.files ?? []) {
      setSaid(`${file.name} …`)
      const response = await fetch('/api/retrieval/ingest', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ name: file.name, text: await file.text() }),
      })
      const body = (await response.json()) as { passages?: number; error?: string }
      setSaid(body.error ?? `${file.name}: ${body.passages} passages`)
    }
    target.value = ''
  }

  return (
    <p>
      <label>
        Add files of text <input type="file" multiple accept=".txt,.md,.mdx,.csv,.json" onChange={add} />
      </label>{' '}
      <span role="status">{said}</span>
    </p>
  )
}
