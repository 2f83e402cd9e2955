import { Kbd, Modal, Table, Title } from '@mantine/core'
import { useWords } from '@/i18n'
import { words as shared } from '@/shared/words.ts'
import { entries } from './pages.ts'
import { words } from './words.ts'

type Word = keyof (typeof words)['en']

const general: readonly (readonly [string, Word])[] = [
  ['/', 'keySearch'],
  ['Ctrl K', 'keyPalette'],
  ['?', 'keyHelp2'],
  ['Shift T', 'keyTheme'],
  ['Esc', 'keyClose'],
]
const lists: readonly (readonly [string, Word])[] = [
  ['j', 'keyNext'],
  ['k', 'keyPrevious'],
  ['o', 'keyOpen'],
  ['x', 'keySelect'],
]

/** Help lists the keys. */
export default function Help({ onClose }: { onClose: () => void }) {
  const t = useWords(words)
  const s = useWords(shared)
  return (
    <Modal
      opened
      onClose={onClose}
      title={t('shortcuts')}
      size="lg"
      transitionProps={{ duration: 0 }}
      closeButtonProps={{ 'aria-label': s('close') }}
    >
      <Keys title={t('keysGeneral')} rows={general.map(([key, word]) => [key, t(word)])} />
      <Keys title={t('keysLists')} rows={lists.map(([key, word]) => [key, t(word)])} />
      <Keys title={t('keyGo')} rows={entries.map((page) => [`g ${page.letter}`, t(page.word)])} />
    </Modal>
  )
}

function Keys({ title, rows }: { title: string; rows: readonly (readonly [string, string])[] }) {
  return (
    <>
      <Title order={3} mt="sm">
        {title}
      </Title>
      <Table verticalSpacing={4}>
        <Table.Tbody>
          {rows.map(([key, text]) => (
            <Table.Tr key={key}>
              <Table.Td w={120}>
                {key.split(' ').map((each) => (
                  <Kbd key={each} mr={4}>
                    {each}
                  </Kbd>
                ))}
              </Table.Td>
              <Table.Td>{text}</Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </>
  )
}
