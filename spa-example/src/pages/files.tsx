/** Papers: upload, list, download, delete; and the export of all orders. */
import { useState } from 'react'
import type { List, StoredFile } from '../api/model.ts'
import { request } from '../api/request.ts'
import { type Loaded, useLoad } from '../api/use-load.ts'
import { ConfirmDialog } from '../components/confirm-dialog.tsx'
import { ExportOrders } from '../components/export-orders.tsx'
import { formatBytes, formatDayAndTime } from '../components/format.ts'
import { Loading } from '../components/loading.tsx'
import { notify } from '../components/notice-board.ts'
import { Page } from '../components/page.tsx'
import { Uploads } from '../components/uploads.tsx'

export function FilesPage() {
  const files = useLoad<List<StoredFile>>('/api/files')
  return (
    <Page title="Files" lead="Invoices, delivery notes, labels. Only you see them.">
      <Uploads onUploaded={files.reload} />
      <section aria-labelledby="your-files">
        <h2 id="your-files">Your files</h2>
        <FileList files={files} />
      </section>
      <ExportOrders />
    </Page>
  )
}

function FileList({ files }: { files: Loaded<List<StoredFile>> }) {
  const [leaving, setLeaving] = useState<StoredFile>()

  const remove = async (file: StoredFile) => {
    await request(`/api/files/${file.id}`, { method: 'DELETE' })
    setLeaving(undefined)
    notify(`${file.name} is deleted`)
    files.reload()
  }
  return (
    <Loading of={files}>
      {({ items }) => (
        <>
          {items.length === 0 ? (
            <p className="empty">Nothing here yet.</p>
          ) : (
            <div className="card table-card">
              <table>
                <caption className="visually-hidden">Your files</caption>
                <thead>
                  <tr>
                    <th scope="col">Name</th>
                    <th scope="col" className="number">
                      Size
                    </th>
                    <th scope="col" className="wide-only">
                      Uploaded
                    </th>
                    <th scope="col">
                      <span className="visually-hidden">Actions</span>
                    </th>
                  </tr>
                </thead>
                <tbody>
                  {items.map((file) => (
                    <tr key={file.id}>
                      <th scope="row" className="file-name">
                        {file.name}
                      </th>
                      <td className="number">{formatBytes(file.size)}</td>
                      <td className="wide-only">{formatDayAndTime(file.uploadedAt)}</td>
                      <td>
                        <div className="row-actions">
                          {/* A plain link: the browser downloads, with its own progress, and the cookie goes along. */}
                          <a href={`/api/files/${file.id}`} aria-label={`Download ${file.name}`}>
                            Download
                          </a>
                          <button
                            type="button"
                            className="quiet"
                            aria-label={`Delete ${file.name}`}
                            onClick={() => setLeaving(file)}
                          >
                            Delete
                          </button>
                        </div>
                      </td>
                    </tr>
                  ))}
                </tbody>
              </table>
            </div>
          )}
          {leaving && (
            <ConfirmDialog
              title={`Delete ${leaving.name}?`}
              confirm="Delete file"
              keep="Keep it"
              onConfirm={() => remove(leaving)}
              onClose={() => setLeaving(undefined)}
            >
              <p>It cannot be brought back.</p>
            </ConfirmDialog>
          )}
        </>
      )}
    </Loading>
  )
}
