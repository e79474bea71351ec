// Makes the Node that preloads this call itself an old one, so that bin/socp has to hand over.
Object.defineProperty(process, 'version', { value: 'v18.20.8' })
