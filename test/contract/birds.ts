// A small collection that the embedded model ranks clearly; shared by the adapters' tests.
export const BIRDS = [
  { id: 'kiwi', text: 'The kiwi is a flightless bird of New Zealand that is active at night.', lang: 'en', year: 1813 },
  { id: 'emu', text: 'The emu is a tall bird of Australia that cannot fly but runs fast.', lang: 'en', year: 1790 },
  {
    id: 'falcon',
    text: 'The peregrine falcon dives at more than three hundred kilometres per hour.',
    lang: 'en',
    year: 1771,
  },
  { id: 'tern', text: 'The Arctic tern migrates from pole to pole every year.', lang: 'en', year: 1763 },
  { id: 'owl', text: 'Barn owls hunt mice in the dark by hearing alone.', lang: 'en', year: 1769 },
  { id: 'parrot', text: 'Grey parrots can learn hundreds of words and imitate speech.', lang: 'en', year: 1758 },
  { id: 'proxy', text: 'Set the HTTP_PROXY variable to send requests through a proxy server.', lang: 'en', year: 2020 },
  {
    id: 'bread',
    text: 'Sourdough bread rises slowly because wild yeast works at its own pace.',
    lang: 'en',
    year: 2021,
  },
  { id: 'zug', text: 'Der Zug nach Bern fährt heute von Gleis sieben ab.', lang: 'de', year: 2022 },
  { id: 'heart', text: 'Regular exercise lowers blood pressure and strengthens the heart.', lang: 'en', year: 2019 },
] as const

export const FLIGHTLESS = 'Which birds are unable to fly?'
