/** The page that the server shows, made of the files beside this one by `page.plugin.ts`. */
declare module 'virtual:page' {
  export const html: string
  export const script: string
  export const style: string
  export const icon: string
}
