package main

import (
	"bytes"
	"image"
	"image/color"
	"image/gif"
	"image/png"
	"math"
)

// The picture of ebb: the sea at ebb tide, going out under a low sun, on a tile with round corners.
var (
	sky  = color.RGBA{0x0e, 0x3a, 0x5c, 0xff}
	sun  = color.RGBA{0xff, 0xc8, 0x57, 0xff}
	far  = color.RGBA{0x2a, 0x7f, 0xa8, 0xff}
	near = color.RGBA{0x6f, 0xc3, 0xd9, 0xff}
	sand = color.RGBA{0xf1, 0xe3, 0xc4, 0xff}
)

// icon draws the picture with a side of so many pixels.
func icon(side int) *image.NRGBA {
	const samples = 4 // in each direction: edges are smooth
	img := image.NewNRGBA(image.Rect(0, 0, side, side))
	for y := range side {
		for x := range side {
			var r, g, b, a int
			for i := range samples * samples {
				c := iconAt((float64(x)+(float64(i%samples)+0.5)/samples)/float64(side),
					(float64(y)+(float64(i/samples)+0.5)/samples)/float64(side))
				r, g, b, a = r+int(c.R), g+int(c.G), b+int(c.B), a+int(c.A)
			}
			if inside := a / 0xff; inside > 0 {
				img.SetNRGBA(x, y, color.NRGBA{uint8(r / inside), uint8(g / inside), uint8(b / inside), uint8(a / (samples * samples))})
			}
		}
	}
	return img
}

// iconAt is the colour at a place, both of whose coordinates are from 0 to 1; outside of the tile it is none.
func iconAt(x, y float64) color.RGBA {
	const radius = 0.2
	dx, dy := max(radius-x, x-(1-radius), 0), max(radius-y, y-(1-radius), 0)
	// Each wave lies lower than the one before, and the beach rises where the water has gone.
	wave := func(level, height, phase float64) float64 { return level + height*math.Sin(2*math.Pi*(1.5*x+phase)) }
	switch {
	case dx*dx+dy*dy > radius*radius:
		return color.RGBA{}
	case y > 0.62+0.42*(1-x)+0.02*math.Sin(9*x):
		return sand
	case y > wave(0.66, 0.035, 0.1):
		return near
	case y > wave(0.5, 0.03, 0.6):
		return far
	case (x-0.66)*(x-0.66)+(y-0.36)*(y-0.36) < 0.17*0.17:
		return sun
	}
	return sky
}

func iconPNG(side int) ([]byte, error) {
	var b bytes.Buffer
	err := png.Encode(&b, icon(side))
	return b.Bytes(), err
}

// iconGIF is the picture as QNAP wants it; grey while ebb is off.
func iconGIF(side int, grey bool) ([]byte, error) {
	from := icon(side)
	palette := color.Palette{color.RGBA{}, sky, sun, far, near, sand}
	if grey {
		for i, c := range palette[1:] {
			r, g, b, _ := c.RGBA()
			level := uint8((299*r + 587*g + 114*b) / 1000 >> 8)
			palette[i+1] = color.RGBA{level, level, level, 0xff}
		}
	}
	img := image.NewPaletted(from.Bounds(), palette)
	colours := color.Palette{color.RGBA{}, sky, sun, far, near, sand}
	for y := range side {
		for x := range side {
			img.SetColorIndex(x, y, uint8(colours.Index(from.At(x, y))))
		}
	}
	var b bytes.Buffer
	err := gif.Encode(&b, img, nil)
	return b.Bytes(), err
}
