import { AddFiles } from '../components/AddFiles'
import { ChatWindow } from '../components/ChatWindow'

export default function Page() {
  return (
    <main>
      <h1>Ask your documents</h1>
      <AddFiles />
      <ChatWindow />
    </main>
  )
}
