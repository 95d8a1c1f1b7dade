import { Counter, Gauge, Histogram, Registry } from 'prom-client'

/** What `/metrics` tells. */
export interface Metrics {
  readonly contentType: string
  text(): Promise<string>
  request(route: string, method: string, status: number, seconds: number): void
  /** Texts that were encoded together for rerank requests. */
  batch(texts: number): void
}

/** Counts of one server, in a registry of its own: nothing of the process's is touched. */
export function createMetrics(underWay: () => number): Metrics {
  const registry = new Registry()
  const registers = [registry]
  const requests = new Counter({
    name: 'serotine_http_requests_total',
    help: 'Requests answered.',
    labelNames: ['route', 'method', 'status'],
    registers,
  })
  const seconds = new Histogram({
    name: 'serotine_http_request_duration_seconds',
    help: 'Seconds from a request to its answer.',
    labelNames: ['route'],
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60],
    registers,
  })
  const batches = new Histogram({
    name: 'serotine_rerank_batch_texts',
    help: 'Texts of rerank requests that were encoded together.',
    buckets: [1, 2, 4, 8, 16, 32, 64, 128, 256],
    registers,
  })
  const underWayNow = new Gauge({
    name: 'serotine_http_requests_in_flight',
    help: 'Requests that are worked on or wait.',
    registers: [],
    collect() {
      this.set(underWay())
    },
  })
  const memory = new Gauge({
    name: 'process_resident_memory_bytes',
    help: 'Resident memory of the process.',
    registers: [],
    collect() {
      this.set(process.memoryUsage.rss())
    },
  })
  registry.registerMetric(underWayNow)
  registry.registerMetric(memory)
  return {
    contentType: registry.contentType,
    text: () => registry.metrics(),
    request(route, method, status, duration) {
      requests.inc({ route, method, status: String(status) })
      seconds.observe({ route }, duration)
    },
    batch: (texts) => batches.observe(texts),
  }
}
