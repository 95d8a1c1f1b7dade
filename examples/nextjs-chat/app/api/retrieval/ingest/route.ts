import { z } from 'zod'
import { addText } from '../../../../lib/library'

export const runtime = 'nodejs'

/** Characters. What is longer is better put into the folder. */
const LONGEST = 1_000_000
const Body = z.object({ name: z.string().min(1).max(200).default('text'), text: z.string().min(1).max(LONGEST) })

/** Adds a text to what is searched. */
export async function POST(request: Request): Promise<Response> {
  if (Number(request.headers.get('content-length')) > 4 * LONGEST)
    return refuse(413, `A text has ${LONGEST} characters at most.`)
  const body = Body.safeParse(await request.json().catch(() => undefined))
  if (!body.success) return refuse(400, `Send { name, text }: ${z.prettifyError(body.error)}`)
  const passages = await addText(body.data.name, body.data.text)
  return passages > 0 ? Response.json({ ok: true, passages }) : refuse(400, `There is no text in ${body.data.name}.`)
}

function refuse(status: number, error: string): Response {
  return Response.json({ error }, { status })
}
