/** Clients that ask one request after the other, each as soon as the one before is answered. */
export async function load(url, bodies, clients, onAnswer = () => {}) {
  const times = []
  const statuses = {}
  let next = 0
  const client = async () => {
    while (next < bodies.length) {
      const i = next++
      const begun = performance.now()
      const response = await fetch(url, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify(bodies[i]),
      })
      const answer = await response.json()
      times.push(performance.now() - begun)
      statuses[response.status] = (statuses[response.status] ?? 0) + 1
      if (response.ok) onAnswer(i, answer)
    }
  }
  const started = performance.now()
  await Promise.all(Array.from({ length: Math.min(clients, bodies.length) }, client))
  return { seconds: (performance.now() - started) / 1000, times, statuses }
}
