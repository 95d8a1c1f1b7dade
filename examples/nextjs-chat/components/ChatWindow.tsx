'use client'

import { useChat } from '@ai-sdk/react'
import { DefaultChatTransport } from 'ai'
import { useState } from 'react'
import type { FormEvent } from 'react'
import type { ChatMessage } from '../lib/conversation'
import type { Source } from '../lib/passages'

const WAYS = { '/api/chat/retrieval': 'Chain', '/api/chat/retrieval_agents': 'Agent' }

/** Sends a question where the form says. */
const transport = new DefaultChatTransport<ChatMessage>({
  prepareSendMessagesRequest: ({ messages, body }) => ({ api: String(body?.['api']), body: { messages } }),
})

export function ChatWindow() {
  const [api, setApi] = useState('/api/chat/retrieval')
  const [input, setInput] = useState('')
  const { messages, sendMessage, status, stop, error } = useChat<ChatMessage>({ transport })
  const isBusy = status === 'submitted' || status === 'streaming'

  function ask(event: FormEvent) {
    event.preventDefault()
    void sendMessage({ text: input }, { body: { api } })
    setInput('')
  }

  return (
    <>
      <div aria-live="polite" aria-busy={isBusy}>
        {messages.map((message) => (
          <Message key={message.id} message={message} />
        ))}
        {error && <p className="error">{error.message}</p>}
      </div>
      <form className="ask" onSubmit={ask}>
        <select aria-label="How" value={api} onChange={({ target }) => setApi(target.value)}>
          {Object.entries(WAYS).map(([path, name]) => (
            <option key={path} value={path}>
              {name}
            </option>
          ))}
        </select>
        <input
          type="text"
          aria-label="Question"
          placeholder="May I work from Portugal?"
          required
          value={input}
          onChange={({ target }) => setInput(target.value)}
        />
        {isBusy ? (
          <button type="button" onClick={stop}>
            Stop
          </button>
        ) : (
          <button>Ask</button>
        )}
      </form>
    </>
  )
}

function Message({ message: { role, parts } }: { message: ChatMessage }) {
  const text = parts.map((part) => (part.type === 'text' ? part.text : '')).join('')
  const sources = parts.findLast((part) => part.type === 'data-sources')?.data ?? []
  return (
    <article className={role}>
      {text}
      {sources
        .filter(({ number }) => text.includes(`[${number}]`))
        .map((source) => (
          <Cited key={source.number} source={source} />
        ))}
    </article>
  )
}

function Cited({ source: { number, place, text, similarity } }: { source: Source }) {
  return (
    <details>
      <summary>
        [{number}] {place}
      </summary>
      <blockquote title={`mean similarity ${similarity.toFixed(3)}`}>{text}</blockquote>
    </details>
  )
}
