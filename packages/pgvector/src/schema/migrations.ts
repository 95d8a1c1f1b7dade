import type { Names } from './names.js'

/**
 * What makes the tables of version 1 and turns those of each version into the next, in order. A version that was released is never changed: a new step is added.
 * All of them run in one transaction.
 */
export const MIGRATIONS: readonly ((names: Names) => readonly string[])[] = [
  ({ version, collections, partitions }) => [
    `create table ${version} (version int not null)`,
    `insert into ${version} values (0)`,
    `create table ${collections} (
      id int generated always as identity primary key,
      name text collate "C" not null,
      tenant text collate "C" not null,
      spec int not null,
      codec text not null,
      fde text,
      language text,
      dim int,
      model text,
      fingerprint text,
      seq bigint not null default 0,
      generation bigint not null default 0,
      documents bigint not null default 0,
      tokens bigint not null default 0,
      words bigint not null default 0,
      encodings int not null default 0,
      stage text,
      unique (name, tenant)
    )`,
    `create table ${partitions} (
      collection int not null references ${collections} on delete cascade,
      version int not null,
      learned text not null,
      primary key (collection, version)
    )`,
  ],
  // Names of the last changes, to find one again whose commit was not answered.
  ({ collections }) => [`alter table ${collections} add column changes text not null default ''`],
]

/** Version of the tables that this build reads and writes. */
export const SCHEMA_VERSION = MIGRATIONS.length

/** The tables of one collection. */
export function collectionTables(names: Names, id: number, keywords: boolean): string[] {
  const [documents, words] = [names.documents(id), names.words(id)]
  const create = [
    // `key`: SHA-256 of the id, which may be longer than an index takes. `seq`: the order of changes. `vectors`: new whenever the vectors are.
    `create table ${documents} (
      key bytea primary key,
      id text collate "C" not null,
      seq bigint not null unique,
      vectors bigint not null unique,
      tokens int not null,
      hash text not null,
      metadata jsonb not null,
      text text,
      length int not null,
      terms tsvector,
      record bytea not null
    )`,
    // Rounded numbers do not compress.
    `alter table ${documents} alter column record set storage external`,
    `create index on ${documents} using gin (metadata jsonb_path_ops) with (fastupdate = off)`,
  ]
  if (!keywords) return create
  return [
    ...create,
    `create index on ${documents} using gin (terms) with (fastupdate = off)`,
    `create table ${words} (term text collate "C" primary key, documents bigint not null)`,
  ]
}

/** Encodings of the documents, in whole pages: a scan over them reads nothing else. */
export function encodingsTable(table: string, halfvec: string, length: number): string[] {
  const plain = length <= PLAIN_LENGTH ? [`alter table ${table} alter column fde set storage plain`] : []
  return [`create table ${table} (vectors bigint primary key, fde ${halfvec}(${length}) not null)`, ...plain]
}

/** What fits a page of 8 kB with the row around it. */
const PLAIN_LENGTH = 4000
